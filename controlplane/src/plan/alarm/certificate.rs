//! Certificates that end soon: of agents and nodes, which renew their own, and of the
//! CA, which nobody renews.

use holdfast_types::alarm::{AlarmDetail, AlarmRule};
use jiff::Timestamp;

use super::{Facts, Limits, Observed, later, shown};

pub(super) fn observe(facts: &Facts, limits: Limits, now: Timestamp, all: &mut Vec<Observed>) {
    let rule = AlarmRule::CertificateExpiring;
    for agent in &facts.agents {
        let ends_at = agent.certificate_expires_at;
        if ends_at > later(now, limits.certificate) {
            continue;
        }
        let message = format!(
            "the certificate of the agent \"{}\" ends at {}",
            agent.name,
            shown(ends_at)
        );
        let subject = format!("agents/{}", agent.name);
        all.push(Observed::new(rule, subject, AlarmDetail::new(message)));
    }
    for node in &facts.nodes {
        let subject = format!("nodes/{}", node.name);
        let Some(ends_at) = node.certificate_ends_at else {
            // That it is not known ends no alarm (I-13).
            let message = format!(
                "when the certificate of the node \"{}\" ends is not known",
                node.name
            );
            let mut still = Observed::new(rule, subject, AlarmDetail::new(message));
            still.opens = false;
            all.push(still);
            continue;
        };
        if ends_at > later(now, limits.node_certificate) {
            continue;
        }
        let message = format!(
            "the certificate of the node \"{}\" ends at {}: its log says why it is not renewed",
            node.name,
            shown(ends_at)
        );
        all.push(Observed::new(rule, subject, AlarmDetail::new(message)));
    }
    if let Some(ends_at) = facts.authority_ends_at
        && ends_at <= later(now, limits.authority)
    {
        let message = format!(
            "the certificate of the control plane's CA ends at {}: then no agent and no node \
             is trusted any more, and certificates that it makes now are not good for longer",
            shown(ends_at)
        );
        let detail = AlarmDetail::new(message);
        all.push(Observed::new(rule, "control-plane/ca", detail));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{AgentFacts, NodeFacts};
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;
    const LIMITS: Limits = Limits {
        first_backup: Duration::ZERO,
        approval: Duration::ZERO,
        certificate: Duration::from_secs(1000),
        node_certificate: Duration::from_secs(500),
        authority: Duration::from_secs(9000),
        trouble: Duration::ZERO,
        attempts: 1,
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn node(name: &str, ends_at: Option<i64>) -> NodeFacts {
        NodeFacts {
            name: name.to_owned(),
            reachable: ends_at.is_some(),
            certificate_ends_at: ends_at.map(at),
        }
    }

    /// What opens, and what is kept open.
    fn seen(facts: &Facts) -> (Vec<String>, Vec<String>) {
        let mut all = Vec::new();
        observe(facts, LIMITS, NOW, &mut all);
        assert!(
            all.iter()
                .all(|one| one.rule == AlarmRule::CertificateExpiring)
        );
        let of = |opens: bool| {
            let those = all.iter().filter(|one| one.opens == opens);
            those.map(|one| one.subject.clone()).collect()
        };
        (of(true), of(false))
    }

    #[test]
    fn whoever_renews_its_own_has_a_limit_of_its_kind() {
        let agent = |name: &str, ends| AgentFacts {
            name: name.parse().unwrap(),
            certificate_expires_at: at(ends),
        };
        let facts = Facts {
            agents: vec![agent("db1", 1001), agent("db2", 1000)],
            nodes: vec![node("node-1", Some(501)), node("node-2", Some(500))],
            ..Facts::default()
        };
        let (opens, keeps) = seen(&facts);
        assert_eq!(opens, ["agents/db2", "nodes/node-2"]);
        assert!(keeps.is_empty());
    }

    /// I-13: a node that is away may have renewed its certificate, or not.
    #[test]
    fn what_is_not_known_opens_no_alarm_and_ends_none() {
        let facts = Facts {
            nodes: vec![node("node-3", None)],
            ..Facts::default()
        };
        assert_eq!(seen(&facts), (vec![], vec!["nodes/node-3".to_owned()]));
    }

    #[test]
    fn the_ca_is_told_of_while_what_it_makes_would_outlast_it() {
        let of = |ends| Facts {
            authority_ends_at: Some(at(ends)),
            ..Facts::default()
        };
        assert_eq!(seen(&of(9001)), (vec![], vec![]));
        assert_eq!(seen(&of(9000)).0, ["control-plane/ca"]);
    }
}
