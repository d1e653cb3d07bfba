//! Notices what verdicts rest on and nobody reports: that who protects a cluster is
//! silent, and that WAL has not reached a repository for as long as blindness takes.
//!
//! Only transitions enter the log, each with the time since when it is so: a new leader
//! finds what the last one recorded, and notices nothing before it has listened for a
//! whole liveness period.

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_compliance::{Fact, Promise};
use holdfast_consensus::{ProposeContext, StateView};
use holdfast_state::command::{RecordSigns, Sign, SignWhat};
use holdfast_state::query;
use holdfast_types::{AgentId, Name};
use jiff::{SignedDuration, Timestamp};

use super::driver::Task;
use crate::app::App;
use crate::app::error::Result;

/// How many enter the log with one entry.
const AT_ONCE: usize = 500;

pub(super) struct Signs;

impl Task for Signs {
    const NAME: &'static str = "signs";
    const PERIOD: Duration = Duration::from_secs(5);
    const JUDGES_LIVENESS: bool = true;

    async fn activate(&self, app: &App) -> Result<u64> {
        let view = app.node.read().await?;
        let conn = view.connection();
        if !query::keeps_facts(conn).await? {
            return Ok(0);
        }
        let mut receivers: BTreeMap<Name, Vec<AgentId>> = BTreeMap::new();
        for duty in query::active_duties(conn).await? {
            receivers.entry(duty.cluster).or_default().push(duty.agent);
        }
        let known = query::signs_in_force(conn).await?;
        let now = Timestamp::now();
        let mut signs = Vec::new();
        for (cluster, promise) in query::promises(conn).await? {
            let held = known.get(&cluster).map_or(&[][..], Vec::as_slice);
            let receivers = receivers.remove(&cluster).unwrap_or_default();
            let agents = who_protects(app, &view, &cluster, &promise, receivers).await?;
            let seen = Seen {
                cluster: &cluster,
                promise: &promise,
                held,
                now,
            };
            let online = agents.iter().any(|agent| app.sessions.is_online(*agent));
            let silent = agents.iter().map(|agent| app.sessions.silent_for(*agent));
            signs.extend(seen.agent(online, silent.min()));
            for place in &promise.places {
                let key = (cluster.clone(), place.repository.clone());
                let trouble = app.wal.trouble(&key);
                let trouble = trouble.map(|(lasted, failure)| (lasted, failure.code));
                signs.extend(seen.trouble(&place.repository, online, trouble));
            }
        }
        let noticed = signs.len() as u64;
        for some in signs.chunks(AT_ONCE) {
            let command = RecordSigns {
                signs: some.to_vec(),
            };
            app.propose_as(ProposeContext::internal(), command).await?;
        }
        Ok(noticed)
    }
}

/// Those by whom a cluster is protected: who receives its WAL, or, where nobody does,
/// who could take its backups.
async fn who_protects(
    app: &App,
    view: &StateView,
    cluster: &Name,
    promise: &Promise,
    receivers: Vec<AgentId>,
) -> Result<Vec<AgentId>> {
    if promise.receives_wal() && !receivers.is_empty() {
        return Ok(receivers);
    }
    let instances = app.instances(view, cluster).await?;
    Ok(instances.into_iter().map(|(agent, ..)| agent).collect())
}

/// A cluster, and what is on record of it.
struct Seen<'a> {
    cluster: &'a Name,
    promise: &'a Promise,
    held: &'a [Fact],
    now: Timestamp,
}

impl Seen<'_> {
    fn sign(&self, ago: Duration, what: SignWhat) -> Sign {
        let ago = SignedDuration::try_from(ago).unwrap_or(SignedDuration::MAX);
        let at = self.now.checked_sub(ago).unwrap_or(Timestamp::MIN);
        Sign {
            cluster: self.cluster.clone(),
            at,
            what,
        }
    }

    /// Silence counts once it has lasted as long as blindness takes; a word ends it.
    fn agent(&self, online: bool, silent: Option<Duration>) -> Option<Sign> {
        let lost = self.held.contains(&Fact::AgentLost);
        match (lost, online, silent) {
            (true, true, _) => Some(self.sign(Duration::ZERO, SignWhat::AgentBack)),
            (false, false, Some(silent)) if silent >= self.promise.blind_after() => {
                Some(self.sign(silent, SignWhat::AgentLost))
            }
            _ => None,
        }
    }

    /// Trouble counts once it has lasted as long; it ends when who had it says that it
    /// has none. What a silent agent said last still stands.
    fn trouble(
        &self,
        repository: &Name,
        online: bool,
        trouble: Option<(Duration, String)>,
    ) -> Option<Sign> {
        let told = self.held.iter().find_map(|fact| match fact {
            Fact::TroubleBegan {
                repository: of,
                code,
            } if of == repository => Some(code),
            _ => None,
        });
        match (told, trouble) {
            (Some(_), None) if online => {
                let repository = repository.clone();
                let what = SignWhat::TroubleEnded { repository };
                Some(self.sign(Duration::ZERO, what))
            }
            (Some(told), Some((_, code))) if *told != code && online => {
                Some(self.began(repository, Duration::ZERO, code))
            }
            (None, Some((lasted, code))) if lasted >= self.promise.blind_after() => {
                Some(self.began(repository, lasted, code))
            }
            _ => None,
        }
    }

    fn began(&self, repository: &Name, ago: Duration, code: String) -> Sign {
        let repository = repository.clone();
        self.sign(ago, SignWhat::TroubleBegan { repository, code })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn promise() -> Promise {
        let policy = json!({"selector": {}, "repository": "eu", "objectives": {"rpo": "30s"}});
        let policy = serde_json::from_value(policy).unwrap();
        Promise::of("gold".parse().unwrap(), &policy, &BTreeMap::new())
    }

    fn check<T>(held: &[Fact], see: impl FnOnce(&Seen<'_>) -> T) -> T {
        let (cluster, promise) = ("orders".parse().unwrap(), promise());
        let seen = Seen {
            cluster: &cluster,
            promise: &promise,
            held,
            now: Timestamp::from_second(1_700_000_100).unwrap(),
        };
        see(&seen)
    }

    #[test]
    fn silence_is_told_once_it_has_lasted_and_a_word_ends_it() {
        let seconds = Duration::from_secs;
        let told = |held: &[Fact], online, silent| {
            let sign = check(held, |seen| seen.agent(online, silent));
            sign.map(|sign| (sign.at.as_second() - 1_700_000_000, sign.what))
        };
        assert_eq!(told(&[], false, Some(seconds(14))), None);
        let lost = (80, SignWhat::AgentLost);
        assert_eq!(told(&[], false, Some(seconds(20))), Some(lost));
        assert_eq!(told(&[Fact::AgentLost], false, Some(seconds(40))), None);
        let back = (100, SignWhat::AgentBack);
        assert_eq!(told(&[Fact::AgentLost], true, Some(seconds(1))), Some(back));
        // Nobody is there to be silent.
        assert_eq!(told(&[], false, None), None);
    }

    #[test]
    fn trouble_is_told_once_it_has_lasted_and_ends_by_a_word() {
        let eu: Name = "eu".parse().unwrap();
        let began = |code: &str| Fact::TroubleBegan {
            repository: eu.clone(),
            code: code.to_owned(),
        };
        let told = |held: &[Fact], online, trouble: Option<(u64, &str)>| {
            let trouble = trouble.map(|(lasted, code)| (Duration::from_secs(lasted), code.into()));
            let sign = check(held, |seen| seen.trouble(&eu, online, trouble));
            sign.map(|sign| sign.at.as_second() - 1_700_000_000)
        };
        assert_eq!(told(&[], true, Some((14, "full"))), None);
        assert_eq!(told(&[], true, Some((16, "full"))), Some(84));
        assert_eq!(told(&[began("full")], true, Some((30, "full"))), None);
        assert_eq!(told(&[began("full")], true, Some((30, "gone"))), Some(100));
        assert_eq!(told(&[began("full")], true, None), Some(100));
        assert_eq!(told(&[began("full")], false, None), None);
    }
}
