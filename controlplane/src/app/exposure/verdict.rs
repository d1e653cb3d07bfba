//! The verdict on many clusters: who is there, what is heard of them and what decides,
//! without a look at what repositories hold.

use std::sync::Arc;

use holdfast_compliance::{Deciding, Heard, KeptStretch, Promise, Verdict};
use holdfast_consensus::StateView;
use holdfast_state::query::{PageRequest, ResourceView};
use holdfast_types::access::{Place, Visible};
use holdfast_types::resource::Policy;
use holdfast_types::{Compliance, Name};
use jiff::Timestamp;

use super::gather::{Common, Standing};
use crate::app::App;
use crate::app::error::Result;

/// How exposed a cluster is now, and no more.
#[derive(Debug, Clone)]
pub(crate) struct ExposedNow {
    /// The cluster.
    pub(crate) cluster: Name,
    /// Its fleet.
    pub(crate) fleet: Name,
    /// The verdict.
    pub(crate) status: Option<Compliance>,
    /// What would be lost now.
    pub(crate) exposure_seconds: Option<f64>,
    /// The RPO.
    pub(crate) rpo_seconds: Option<f64>,
    /// Up to when nothing would be lost; `None` when nothing could be restored.
    pub(crate) frontier: Option<Timestamp>,
}

/// How many clusters are judged before others have their turn on this thread.
const AT_ONCE: usize = 100;

impl App {
    pub(super) async fn exposed_now(
        &self,
        view: &StateView,
        common: &Arc<Common>,
        clusters: &[ResourceView],
    ) -> Result<Vec<ExposedNow>> {
        let names: Vec<Name> = clusters.iter().map(|one| one.name().clone()).collect();
        let standing = self.standing(view, &names).await?;
        let now = Timestamp::now();
        let (mut exposed, mut others) = (Vec::with_capacity(clusters.len()), Vec::new());
        for some in clusters.chunks(AT_ONCE) {
            for cluster in some {
                let policy = common.policy_of(cluster).map(|(_, policy)| policy);
                let there = self.is_served(&standing, cluster.name(), policy);
                let verdict = self.verdict_of(&standing, cluster.name(), there, now);
                let Some(verdict) = verdict else {
                    others.push(cluster.clone());
                    continue;
                };
                let rpo = policy.and_then(Policy::rpo);
                exposed.push(ExposedNow {
                    cluster: cluster.name().clone(),
                    fleet: fleet_of(cluster),
                    status: verdict.status,
                    exposure_seconds: verdict.exposure.map(|exposure| exposure.as_secs_f64()),
                    rpo_seconds: rpo.map(|rpo| rpo.as_secs_f64()),
                    frontier: verdict
                        .exposure
                        .and_then(|exposure| verdict.at.checked_sub(exposure).ok()),
                });
            }
            tokio::task::yield_now().await;
        }
        // Below the level at which facts are kept, all of them.
        let most = PageRequest::longest().limit();
        for some in others.chunks(most) {
            let gathered = self.gather_facts(view, common, some).await?;
            exposed.extend(some.iter().map(|cluster| {
                let judged = self.judge(&gathered, cluster, now);
                ExposedNow {
                    cluster: judged.cluster,
                    fleet: judged.fleet,
                    status: judged.status,
                    exposure_seconds: judged.exposure_seconds,
                    rpo_seconds: judged.rpo_seconds,
                    frontier: judged.frontier,
                }
            }));
        }
        Ok(exposed)
    }

    /// Whether an agent is there that does what a cluster's policy needs: receives WAL,
    /// or where none is received, sees an instance.
    pub(super) fn is_served(
        &self,
        standing: &Standing,
        cluster: &Name,
        policy: Option<&Policy>,
    ) -> bool {
        if policy.is_none_or(Policy::receives_wal) {
            let mut duties = standing.duties_of(cluster).iter();
            duties.any(|duty| self.sessions.is_online(duty.agent))
        } else {
            let mut agents = standing.seen_of(cluster).iter();
            agents.any(|agent| self.sessions.is_online(*agent))
        }
    }

    /// What is so of a cluster now: what decides, with what agents say live of
    /// themselves. `None` below level 23, and when nobody asks to protect it.
    pub(super) fn verdict_of(
        &self,
        standing: &Standing,
        cluster: &Name,
        agent_online: bool,
        now: Timestamp,
    ) -> Option<Verdict> {
        let deciding: &Deciding = standing.deciding.get(cluster)?;
        let mut heard = Heard {
            agent_lost: !agent_online,
            ..Heard::default()
        };
        if let Some(promise) = deciding.promise() {
            for place in &promise.places {
                let key = (cluster.clone(), place.repository.clone());
                let trouble = self.wal.trouble(&key);
                heard
                    .troubles
                    .extend(trouble.map(|(_, trouble)| (place.repository.clone(), trouble.code)));
            }
            heard.stretches = self.live_stretches(cluster, promise);
        }
        deciding.verdict(heard, now)
    }

    /// What agents claimed of a cluster that the log may not have.
    pub(in crate::app) fn live_stretches(
        &self,
        cluster: &Name,
        promise: &Promise,
    ) -> Vec<KeptStretch> {
        let mut live = Vec::new();
        for place in &promise.places {
            let key = (cluster.clone(), place.repository.clone());
            let told = self.wal.stretches(&key).into_iter();
            live.extend(told.map(|stretch| KeptStretch {
                repository: place.repository.clone(),
                known_from: stretch.first.at,
                known_to: stretch.last.at,
                stretch: Arc::new(stretch),
            }));
        }
        live
    }
}

/// The fleet of a cluster.
pub(super) fn fleet_of(cluster: &ResourceView) -> Name {
    let usual = || "default".parse().expect("\"default\" is a name");
    cluster.fleet.clone().unwrap_or_else(usual)
}

/// Whether somebody who sees this sees a cluster.
pub(in crate::app) fn is_seen(visible: &Visible, cluster: &ResourceView) -> bool {
    let labels = cluster.labels();
    match &cluster.fleet {
        Some(fleet) => visible.sees(Place { fleet, labels }),
        None => visible.is_everything(),
    }
}
