//! What the agent sees of the instances it is told to observe.
//!
//! Each instance is looked at every few seconds by a task of its own, so that
//! one that hangs makes no other one look stale. What cannot be reached is
//! reported as such, with the reason; what answers but is another database
//! than the one enrolled is reported as that and never as the instance.

mod disk;
mod look;
mod patroni;

use std::time::Duration;

use holdfast_proto::ObservedInstance;
use holdfast_types::InstanceFacts;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::host::Host;
use look::Eye;
use patroni::Patroni;

/// How often each instance is looked at.
pub const EVERY: Duration = Duration::from_secs(5);

/// What was last seen of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Which. A host may have two instances of one cluster.
    pub instance: ObservedInstance,
    /// What was seen.
    pub facts: InstanceFacts,
}

/// One instance and the task that looks at it.
struct Watched {
    instance: ObservedInstance,
    task: JoinHandle<()>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Observes what `instances` names, until `stop` fires; the newest facts of
/// each are in the receiver returned.
pub fn observe(
    host: Host,
    instances: watch::Receiver<Vec<ObservedInstance>>,
    stop: CancellationToken,
) -> watch::Receiver<Vec<Seen>> {
    observe_every(EVERY, host, instances, stop)
}

/// The same at another pace.
pub fn observe_every(
    every: Duration,
    host: Host,
    mut instances: watch::Receiver<Vec<ObservedInstance>>,
    stop: CancellationToken,
) -> watch::Receiver<Vec<Seen>> {
    let facts = watch::Sender::new(Vec::new());
    let seen = facts.subscribe();
    instances.mark_changed();
    tokio::spawn(async move {
        let mut watched: Vec<Watched> = Vec::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                changed = instances.changed() => if changed.is_err() { return },
            }
            let wanted = instances.borrow_and_update().clone();
            watched.retain(|one| wanted.contains(&one.instance));
            facts.send_if_modified(|facts: &mut Vec<Seen>| {
                let before = facts.len();
                facts.retain(|one| wanted.contains(&one.instance));
                facts.len() != before
            });
            for instance in wanted {
                if !watched.iter().any(|one| one.instance == instance) {
                    let task = look_again(every, host.clone(), instance.clone(), facts.clone());
                    watched.push(Watched {
                        instance,
                        task: tokio::spawn(task),
                    });
                }
            }
        }
    });
    seen
}

async fn look_again(
    every: Duration,
    host: Host,
    instance: ObservedInstance,
    facts: watch::Sender<Vec<Seen>>,
) {
    let mut eye = Eye::new(instance.instance.clone());
    let patroni = instance.patroni.as_deref().map(Patroni::at);
    let mut tick = interval(every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let observed_at = host.clock().now_or_local();
        let ask = async {
            match &patroni {
                Some(patroni) => Some(patroni.ask().await),
                None => None,
            }
        };
        let (observation, patroni) = tokio::join!(eye.look(&host), ask);
        let cluster = instance.cluster.clone();
        let seen = InstanceFacts {
            cluster,
            observed_at,
            observation,
            patroni,
            slot_trouble: host
                .slots()
                .of(&instance.cluster, &instance.instance.connection),
        };
        facts.send_modify(|facts| {
            facts.retain(|one| one.instance != instance);
            facts.push(Seen {
                instance: instance.clone(),
                facts: seen,
            });
        });
    }
}
