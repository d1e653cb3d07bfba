//! Where a cluster's WAL is received: at the agent of its primary.

use holdfast_types::resource::Cluster;
use holdfast_types::{InstanceFacts, InstanceRole, Name, Observation};

/// The agent that should receive a cluster's WAL: that of the instance last
/// seen as primary. With two that say so, the latest to have said it: the
/// older one is being replaced. While none is seen, as in a restart of
/// PostgreSQL, it stays where it is, or begins at the first instance.
pub fn receiver<'a>(
    cluster: &'a Cluster,
    seen: impl IntoIterator<Item = (&'a Name, &'a InstanceFacts)>,
    current: Option<&'a Name>,
) -> Option<&'a Name> {
    let belongs = |agent: &Name| {
        cluster
            .instances
            .iter()
            .any(|instance| instance.agent == *agent)
    };
    let primary = seen
        .into_iter()
        .filter(|(agent, facts)| belongs(agent) && is_primary(facts))
        .max_by_key(|(_, facts)| facts.observed_at);
    let first = || cluster.instances.first().map(|instance| &instance.agent);
    match primary {
        Some((agent, _)) => Some(agent),
        None => current.filter(|agent| belongs(agent)).or_else(first),
    }
}

/// Whether an instance was last seen as primary.
pub fn is_primary(facts: &InstanceFacts) -> bool {
    match &facts.observation {
        Observation::Reachable(server) => server.role == InstanceRole::Primary,
        Observation::Unreachable(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cluster() -> Cluster {
        serde_json::from_value(json!({"instances": [
            {"agent": "db1", "connection": "host=a"},
            {"agent": "db2", "connection": "host=b"},
        ]}))
        .unwrap()
    }

    fn facts(role: &str, second: i64) -> InstanceFacts {
        let observed_at = jiff::Timestamp::from_second(second).unwrap();
        serde_json::from_value(json!({
            "cluster": "orders", "observedAt": observed_at, "reachable": {
                "serverVersion": 150_018, "systemIdentifier": "7", "role": role, "timeline": 1,
                "dataDirectory": "/d", "databaseBytes": 1, "checksums": true,
                "archiver": {"mode": "off", "lastArchived": null, "lastFailed": null},
                "slots": [], "disk": null,
            },
        }))
        .unwrap()
    }

    #[test]
    fn wal_is_received_where_the_primary_is() {
        let (one, other): (Name, Name) = ("db1".parse().unwrap(), "db2".parse().unwrap());
        let cluster = cluster();
        assert_eq!(receiver(&cluster, [], None), Some(&one));
        assert_eq!(receiver(&cluster, [], Some(&other)), Some(&other));
        let (standby, primary) = (facts("standby", 5), facts("primary", 3));
        assert_eq!(
            receiver(&cluster, [(&one, &standby), (&other, &primary)], None),
            Some(&other)
        );
        let newer = facts("primary", 9);
        assert_eq!(
            receiver(&cluster, [(&one, &newer), (&other, &primary)], None),
            Some(&one)
        );
        let stranger: Name = "db3".parse().unwrap();
        assert_eq!(
            receiver(&cluster, [(&stranger, &newer)], Some(&stranger)),
            Some(&one)
        );
    }
}
