//! Where a cluster's primary is, and who receives its WAL.
//!
//! Facts may be old and contradict each other: a primary that was cut off goes
//! on calling itself one. So the planner asks, in this order: whom Patroni
//! names, who is on the later timeline, who said so last.

use std::time::Duration;

use holdfast_types::resource::{Cluster, WalReceiver};
use holdfast_types::{InstanceFacts, InstanceRole, Name, Observation, Timeline};

/// How long a receiver may be in trouble before another is tried.
const TROUBLE: Duration = Duration::from_secs(30);
/// How long a receiver that was chosen in need keeps the duty at least: it
/// moves back once and not with every flicker.
const SETTLED: Duration = Duration::from_secs(600);
/// The same, before another is tried because of a trouble.
const TRIED: Duration = Duration::from_secs(60);
/// Troubles that another receiver would have as well.
const EVERYWHERE: [&str; 3] = [
    "lineage_diverged",
    "wal_conflict",
    "foreign_system_identifier",
];

/// The agent of the instance that is the primary; `None` while none is seen,
/// as in a restart of PostgreSQL.
pub(crate) fn primary<'a>(
    cluster: &Cluster,
    seen: impl IntoIterator<Item = (&'a Name, &'a InstanceFacts)>,
) -> Option<&'a Name> {
    let claims = seen.into_iter().filter(|(agent, _)| has(cluster, agent));
    let claims = claims.filter_map(|(agent, facts)| Some((claim(facts)?, agent)));
    claims
        .max_by_key(|(claim, _)| *claim)
        .map(|(_, agent)| agent)
}

/// How good an instance's claim is to be the primary; `None` when it makes
/// none, or Patroni knows better.
fn claim(facts: &InstanceFacts) -> Option<(bool, Timeline, jiff::Timestamp)> {
    let Observation::Reachable(server) = &facts.observation else {
        return None;
    };
    if server.role != InstanceRole::Primary {
        return None;
    }
    let leads = facts.patroni.as_ref().and_then(|patroni| patroni.leads());
    // It is about to be demoted, or was cut off from the others.
    if leads == Some(false) {
        return None;
    }
    Some((leads == Some(true), server.timeline, facts.observed_at))
}

/// The agents of the instances that are standbys, in the order in which they
/// are declared. One that Patroni calls the leader is about to be promoted.
pub(crate) fn standbys<'a>(
    cluster: &'a Cluster,
    seen: impl IntoIterator<Item = (&'a Name, &'a InstanceFacts)>,
) -> Vec<&'a Name> {
    let is_standby = |facts: &InstanceFacts| {
        let Observation::Reachable(server) = &facts.observation else {
            return false;
        };
        let leads = facts.patroni.as_ref().and_then(|patroni| patroni.leads());
        server.role == InstanceRole::Standby && leads != Some(true)
    };
    let seen: Vec<&Name> = seen
        .into_iter()
        .filter(|(_, facts)| is_standby(facts))
        .map(|(agent, _)| agent)
        .collect();
    let declared = cluster.instances.iter().map(|instance| &instance.agent);
    declared.filter(|agent| seen.contains(agent)).collect()
}

fn has(cluster: &Cluster, agent: &Name) -> bool {
    let mut instances = cluster.instances.iter();
    instances.any(|instance| instance.agent == *agent)
}

/// Who has the duty now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    /// The agent.
    pub(crate) agent: Name,
    /// From which instance.
    pub(crate) instance: Name,
    /// For how long.
    pub(crate) age: Duration,
    /// For how long it has been in trouble, and in which.
    pub(crate) trouble: Option<(Duration, String)>,
}

/// Who should have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Receiver {
    /// The agent.
    pub(crate) agent: Name,
    /// From which instance.
    pub(crate) instance: Name,
    /// Why not whoever has it; empty when nobody had.
    pub(crate) why: &'static str,
}

/// What is known of an agent's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    /// It is enrolled and connected.
    Online,
    /// It is not connected, and may be back soon.
    Away,
    /// It has been silent for the whole liveness period, or is enrolled no
    /// more.
    Gone,
}

/// What is decided on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    /// The cluster.
    pub(crate) cluster: &'a Cluster,
    /// What its policy prefers.
    pub(crate) prefers: WalReceiver,
    /// Its primary, while one is seen.
    pub(crate) primary: Option<&'a Name>,
    /// Who has the duty.
    pub(crate) held: Option<&'a Held>,
    /// Whether the instance's own agent sees no server there: then no other
    /// agent will do better.
    pub(crate) server_down: bool,
}

/// Who should receive a cluster's WAL. `None`: nothing should change.
pub(crate) fn receiver(question: Question<'_>, life: impl Fn(&Name) -> Life) -> Option<Receiver> {
    let Question { cluster, held, .. } = question;
    let instance = instance(question)?;
    let able = able(cluster, instance, question.prefers);
    let online = |agent: &&&Name| life(agent) == Life::Online;
    let choose = |agent: &Name, why| {
        let (agent, instance) = (agent.clone(), instance.clone());
        Some(Receiver {
            agent,
            instance,
            why,
        })
    };
    let Some(held) = held else {
        let first = able.iter().find(online).or(able.first())?;
        return choose(first, "");
    };
    if held.instance != *instance {
        let first = able.iter().find(online).or(able.first())?;
        return choose(first, "the primary is at another instance");
    }
    if !able.contains(&&held.agent) {
        let first = able.iter().find(online).or(able.first())?;
        return choose(first, "its agent cannot reach the instance any more");
    }
    let other = |agent: &&&Name| ***agent != held.agent && online(agent);
    if life(&held.agent) == Life::Gone {
        return choose(able.iter().find(other)?, "its agent is gone");
    }
    if is_stuck(question, held) {
        return choose(able.iter().find(other)?, "its agent cannot receive it");
    }
    // Back to where it belongs, once things have settled.
    let place = able.iter().position(|agent| **agent == held.agent)?;
    let better = able[..place].iter().find(online)?;
    if held.age < SETTLED {
        return None;
    }
    choose(better, "an agent that is preferred is back")
}

/// The instance to receive from: the primary, else where it was, else the
/// first that is declared.
fn instance<'a>(question: Question<'a>) -> Option<&'a Name> {
    let Question {
        cluster,
        primary,
        held,
        ..
    } = question;
    let before = held.map(|held| &held.instance);
    let before = before.filter(|instance| has(cluster, instance));
    let first = || cluster.instances.first().map(|instance| &instance.agent);
    primary.or(before).or_else(first)
}

/// The agents that can receive from an instance, the preferred one first.
fn able<'a>(cluster: &'a Cluster, instance: &'a Name, prefers: WalReceiver) -> Vec<&'a Name> {
    let relays = cluster.relays.iter();
    let relays = relays.filter(|relay| relay.connections.contains_key(instance));
    let mut able: Vec<&Name> = relays.map(|relay| &relay.agent).collect();
    match prefers {
        WalReceiver::Primary => able.insert(0, instance),
        WalReceiver::Relay => able.push(instance),
    }
    able
}

fn is_stuck(question: Question<'_>, held: &Held) -> bool {
    let Some((since, code)) = &held.trouble else {
        return false;
    };
    let elsewhere = !question.server_down && !EVERYWHERE.contains(&code.as_str());
    elsewhere && *since >= TROUBLE && held.age >= TRIED
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn cluster() -> Cluster {
        serde_json::from_value(json!({
            "instances": [
                {"agent": "db1", "connection": "host=a"},
                {"agent": "db2", "connection": "host=b"},
            ],
            "relays": [
                {"agent": "near", "connections": {"db1": "host=a"}},
                {"agent": "far", "connections": {"db1": "host=a", "db2": "host=b"}},
            ],
        }))
        .unwrap()
    }

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    fn facts(role: &str, timeline: u32, second: i64, patroni: Value) -> InstanceFacts {
        let observed_at = jiff::Timestamp::from_second(second).unwrap();
        serde_json::from_value(json!({
            "cluster": "orders", "observedAt": observed_at, "reachable": {
                "serverVersion": 150_018, "systemIdentifier": "7", "role": role,
                "timeline": timeline,
                "dataDirectory": "/d", "databaseBytes": 1, "checksums": true,
                "archiver": {"mode": "off", "lastArchived": null, "lastFailed": null},
                "slots": [], "disk": null,
            },
            "patroni": patroni,
        }))
        .unwrap()
    }

    fn seen_primary(one: &InstanceFacts, other: &InstanceFacts) -> Option<String> {
        let (db1, db2) = (name("db1"), name("db2"));
        let found = primary(&cluster(), [(&db1, one), (&db2, other)]);
        found.map(ToString::to_string)
    }

    #[test]
    fn the_primary_is_on_the_later_timeline_whoever_spoke_last() {
        let none = Value::Null;
        let standby = facts("standby", 1, 9, none.clone());
        let old = facts("primary", 1, 9, none.clone());
        let new = facts("primary", 2, 3, none.clone());
        assert_eq!(seen_primary(&standby, &new).as_deref(), Some("db2"));
        assert_eq!(seen_primary(&old, &new).as_deref(), Some("db2"));
        assert_eq!(seen_primary(&standby, &standby), None);
        let later = facts("primary", 1, 11, none);
        assert_eq!(seen_primary(&old, &later).as_deref(), Some("db2"));
        let stranger = name("db3");
        assert_eq!(primary(&cluster(), [(&stranger, &new)]), None);
    }

    #[test]
    fn a_standby_is_what_says_so_and_is_not_about_to_lead() {
        let says = |leader: &str, member: &str| json!({"member": member, "leader": leader, "paused": false});
        let (db1, db2, db3) = (name("db1"), name("db2"), name("db3"));
        let cluster = cluster();
        let found = |one: &InstanceFacts, other: &InstanceFacts| -> Vec<String> {
            // Whoever is seen first, the order is that of the document.
            let seen = [(&db3, other), (&db2, other), (&db1, one)];
            let found = standbys(&cluster, seen);
            found.into_iter().map(ToString::to_string).collect()
        };
        let primary = facts("primary", 1, 9, Value::Null);
        let standby = facts("standby", 1, 9, Value::Null);
        assert_eq!(found(&primary, &standby), ["db2"]);
        assert_eq!(found(&standby, &standby), ["db1", "db2"]);
        assert_eq!(found(&primary, &primary), [""; 0]);
        let chosen = facts("standby", 1, 9, says("two", "two"));
        assert_eq!(found(&primary, &chosen), [""; 0]);
    }

    #[test]
    fn patroni_knows_better_than_a_primary_that_was_cut_off() {
        let says = |leader: &str, member: &str| json!({"member": member, "leader": leader, "paused": false});
        let cut_off = facts("primary", 7, 9, says("two", "one"));
        let promoted = facts("primary", 2, 3, says("two", "two"));
        assert_eq!(seen_primary(&cut_off, &promoted).as_deref(), Some("db2"));
        assert_eq!(
            seen_primary(&cut_off, &facts("standby", 7, 9, Value::Null)),
            None
        );
        // Patroni without a leader, as when its store is down, says nothing.
        let unsure = facts("primary", 1, 9, json!({"member": "one", "paused": false}));
        let standby = facts("standby", 1, 9, Value::Null);
        assert_eq!(seen_primary(&unsure, &standby).as_deref(), Some("db1"));
    }

    struct Case {
        prefers: WalReceiver,
        primary: Option<&'static str>,
        held: Option<Held>,
        online: &'static [&'static str],
        away: &'static [&'static str],
        server_down: bool,
    }

    fn held(agent: &str, instance: &str, seconds: u64) -> Held {
        Held {
            agent: name(agent),
            instance: name(instance),
            age: Duration::from_secs(seconds),
            trouble: None,
        }
    }

    fn case(held: Option<Held>, online: &'static [&'static str]) -> Case {
        Case {
            prefers: WalReceiver::Primary,
            primary: Some("db1"),
            held,
            online,
            away: &[],
            server_down: false,
        }
    }

    fn chosen(case: Case) -> Option<(String, String)> {
        let cluster = cluster();
        let primary = case.primary.map(name);
        let question = Question {
            cluster: &cluster,
            prefers: case.prefers,
            primary: primary.as_ref(),
            held: case.held.as_ref(),
            server_down: case.server_down,
        };
        let life = |agent: &Name| match agent.as_str() {
            name if case.online.contains(&name) => Life::Online,
            name if case.away.contains(&name) => Life::Away,
            _ => Life::Gone,
        };
        let receiver = receiver(question, life)?;
        Some((receiver.agent.to_string(), receiver.instance.to_string()))
    }

    fn pair(agent: &str, instance: &str) -> Option<(String, String)> {
        Some((agent.to_owned(), instance.to_owned()))
    }

    #[test]
    fn it_begins_at_the_primary_and_needs_nobody_online() {
        assert_eq!(chosen(case(None, &["db1", "far"])), pair("db1", "db1"));
        assert_eq!(chosen(case(None, &["near"])), pair("near", "db1"));
        assert_eq!(chosen(case(None, &[])), pair("db1", "db1"));
        let relay = Case {
            prefers: WalReceiver::Relay,
            ..case(None, &["db1", "near"])
        };
        assert_eq!(chosen(relay), pair("near", "db1"));
    }

    #[test]
    fn a_relay_stands_in_for_an_agent_that_is_gone_and_for_no_other() {
        let at_db1 = || Some(held("db1", "db1", 9));
        assert_eq!(chosen(case(at_db1(), &["db1", "near", "far"])), None);
        assert_eq!(chosen(case(at_db1(), &["far"])), pair("far", "db1"));
        assert_eq!(chosen(case(at_db1(), &[])), None, "nobody is better");
        let away = Case {
            away: &["db1"],
            ..case(at_db1(), &["far"])
        };
        assert_eq!(chosen(away), None, "it may be back in a moment");
    }

    #[test]
    fn it_goes_back_when_things_have_settled() {
        let at_relay = |seconds| Some(held("near", "db1", seconds));
        assert_eq!(chosen(case(at_relay(30), &["db1", "near"])), None);
        assert_eq!(
            chosen(case(at_relay(900), &["db1", "near"])),
            pair("db1", "db1")
        );
    }

    #[test]
    fn it_follows_the_primary_and_only_relays_that_reach_it() {
        let moved = |online| Case {
            primary: Some("db2"),
            ..case(Some(held("near", "db1", 9)), online)
        };
        assert_eq!(chosen(moved(&["db2", "near"])), pair("db2", "db2"));
        assert_eq!(chosen(moved(&["near", "far"])), pair("far", "db2"));
        // No primary in sight: it stays where it was.
        let unseen = Case {
            primary: None,
            ..case(Some(held("db2", "db2", 9)), &["db1", "db2"])
        };
        assert_eq!(chosen(unseen), None);
    }

    #[test]
    fn a_receiver_that_cannot_receive_gives_way_where_another_may_do_better() {
        let stuck = |code: &str, age| {
            let trouble = Some((Duration::from_secs(40), code.to_owned()));
            Some(Held {
                trouble,
                ..held("db1", "db1", age)
            })
        };
        let online = &["db1", "near"];
        assert_eq!(
            chosen(case(stuck("repository_unavailable", 90), online)),
            pair("near", "db1")
        );
        assert_eq!(
            chosen(case(stuck("repository_unavailable", 45), online)),
            None
        );
        assert_eq!(chosen(case(stuck("lineage_diverged", 90), online)), None);
        let down = Case {
            server_down: true,
            ..case(stuck("pg_unreachable", 90), online)
        };
        assert_eq!(chosen(down), None);
    }

    #[test]
    fn a_relay_that_is_declared_no_more_loses_the_duty() {
        let was = Some(held("old-relay", "db1", 9));
        assert_eq!(chosen(case(was, &["old-relay", "db1"])), pair("db1", "db1"));
    }
}
