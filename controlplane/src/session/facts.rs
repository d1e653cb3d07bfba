//! What agents last saw of their instances: live, and what of it the log has.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use holdfast_types::{AgentId, InstanceFacts, Name, Observation};

use super::tick;

/// What was last seen of every instance, by agents of whichever node.
#[derive(Debug, Default)]
pub struct FactsBoard(Mutex<BTreeMap<(AgentId, Name), Seen>>);

#[derive(Debug)]
struct Seen {
    facts: InstanceFacts,
    /// 0 when another node told.
    changed: u64,
}

impl FactsBoard {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(AgentId, Name), Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what an agent saw.
    pub fn record(&self, agent: AgentId, facts: &[InstanceFacts]) {
        let mut board = self.lock();
        for facts in facts {
            let seen = Seen {
                facts: facts.clone(),
                changed: tick(),
            };
            board.insert((agent, facts.cluster.clone()), seen);
        }
    }

    /// What was seen here after `since`, for the other nodes.
    pub(crate) fn changed_since(&self, since: u64) -> Vec<(AgentId, InstanceFacts)> {
        let board = self.lock();
        let changed = board.iter().filter(|(_, seen)| seen.changed > since);
        changed
            .map(|((agent, _), seen)| (*agent, seen.facts.clone()))
            .collect()
    }

    /// Notes what another node tells.
    pub(crate) fn mirror(&self, told: Vec<(AgentId, InstanceFacts)>) {
        let mut board = self.lock();
        for (agent, facts) in told {
            let key = (agent, facts.cluster.clone());
            let known = board.get(&key);
            if known.is_none_or(|known| known.facts.observed_at < facts.observed_at) {
                board.insert(key, Seen { facts, changed: 0 });
            }
        }
    }

    /// What the agent last saw of its instance of the cluster.
    pub fn live(&self, agent: AgentId, cluster: &Name) -> Option<InstanceFacts> {
        let key = (agent, cluster.clone());
        self.lock().get(&key).map(|seen| seen.facts.clone())
    }
}

/// Whether what is seen now is worth a log entry after what was recorded:
/// sizes, positions and times change all the time and are not.
pub fn differs(recorded: &InstanceFacts, seen: &InstanceFacts) -> bool {
    settled(recorded) != settled(seen) || led_by(recorded) != led_by(seen)
}

/// What Patroni says, but for why it says nothing.
fn led_by(facts: &InstanceFacts) -> Option<(Option<&str>, Option<&str>, bool)> {
    let patroni = facts.patroni.as_ref()?;
    let (member, leader) = (patroni.member.as_deref(), patroni.leader.as_deref());
    Some((member, leader, patroni.paused))
}

fn settled(facts: &InstanceFacts) -> Observation {
    let mut observation = facts.observation.clone();
    if let Observation::Reachable(server) = &mut observation {
        server.database_bytes = 0;
        server.disk = None;
        server.archiver.last_archived = None;
        for slot in &mut server.slots {
            slot.restart_lsn = None;
            slot.retained_bytes = 0;
        }
    }
    observation
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn facts(role: &str, bytes: u64, active: bool) -> InstanceFacts {
        serde_json::from_value(json!({
            "cluster": "orders", "observedAt": "2026-02-03T02:41:07Z", "reachable": {
                "serverVersion": 150_018, "systemIdentifier": "7", "role": role, "timeline": 1,
                "dataDirectory": "/d", "databaseBytes": bytes, "checksums": true,
                "archiver": {"mode": "off", "lastArchived": null, "lastFailed": null},
                "slots": [{"name": "holdfast_orders", "active": active, "restartLsn": "0/1",
                           "walStatus": "reserved", "retainedBytes": bytes}],
                "disk": {"totalBytes": 9, "freeBytes": 8},
            },
        }))
        .unwrap()
    }

    #[test]
    fn growth_is_no_news_but_a_new_role_is() {
        assert!(!differs(
            &facts("primary", 1, true),
            &facts("primary", 2, true)
        ));
        assert!(differs(
            &facts("primary", 1, true),
            &facts("standby", 1, true)
        ));
        assert!(differs(
            &facts("primary", 1, true),
            &facts("primary", 1, false)
        ));
    }
}
