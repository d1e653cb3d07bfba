//! What is not protected: servers that agents found and no cluster declares, and
//! clusters that no policy covers.

use std::collections::BTreeMap;

use holdfast_types::resource::Cluster;
use holdfast_types::{AgentId, DiscoveredInstance, InstanceFacts, Name, Observation};

/// A server that somebody declared, with what its agent last saw of it.
#[derive(Debug, Clone)]
pub(crate) struct DeclaredInstance<'a> {
    cluster: &'a Name,
    connection: &'a str,
    data_directory: Option<&'a str>,
    seen: Option<(String, u64)>,
}

/// Every declared server by the name of its agent.
pub(crate) type DeclaredInstances<'a> = BTreeMap<&'a Name, Vec<DeclaredInstance<'a>>>;

/// Adds the servers of a cluster.
pub(crate) fn declare<'a>(
    declared: &mut DeclaredInstances<'a>,
    (name, cluster): (&'a Name, &'a Cluster),
    seen: impl Fn(&Name) -> Option<InstanceFacts>,
) {
    for instance in &cluster.instances {
        let seen = seen(&instance.agent).map(|facts| facts.observation);
        let seen = match seen {
            Some(Observation::Reachable(server)) => {
                Some((server.data_directory.clone(), server.system_identifier))
            }
            Some(Observation::Unreachable(_)) | None => None,
        };
        let all = declared.entry(&instance.agent).or_default();
        all.push(DeclaredInstance {
            cluster: name,
            connection: &instance.connection,
            data_directory: instance.given_data_directory(),
            seen,
        });
    }
}

/// The cluster that declares this server of that agent's host.
pub(crate) fn declared_as<'a>(
    declared: &DeclaredInstances<'a>,
    agent: &Name,
    found: &DiscoveredInstance,
) -> Option<&'a Name> {
    let there = declared.get(agent)?;
    let is_it = |instance: &&DeclaredInstance<'_>| {
        if let Some((directory, identifier)) = &instance.seen {
            let same = found.system_identifier.as_deref() == Some(&identifier.to_string());
            // A server may be told its directory by a symbolic link; a host may have
            // a primary and its standby, which have one identifier.
            return *directory == found.data_directory
                || (same && port(instance.connection) == found.port);
        }
        match instance.data_directory {
            Some(directory) => directory == found.data_directory,
            None => {
                found.running && is_local(instance.connection) && {
                    port(instance.connection) == found.port
                }
            }
        }
    };
    there.iter().find(is_it).map(|instance| instance.cluster)
}

/// The cluster whose data a server seems to hold, by its system identifier.
pub(crate) fn resembles<'a>(
    declared: &DeclaredInstances<'a>,
    found: &DiscoveredInstance,
) -> Option<&'a Name> {
    let identifier: u64 = found.system_identifier.as_deref()?.parse().ok()?;
    let mut all = declared.values().flatten();
    let like = all.find(|instance| {
        let seen = instance.seen.as_ref();
        seen.is_some_and(|(_, known)| *known == identifier)
    });
    like.map(|instance| instance.cluster)
}

/// A name for a cluster of this server, as a person may want to change it.
pub(crate) fn suggested_name(agent: &Name, found: &DiscoveredInstance, several: bool) -> String {
    match found.port.filter(|_| several) {
        Some(port) => format!("{agent}-{port}"),
        None => agent.to_string(),
    }
}

fn value<'a>(connection: &'a str, key: &str) -> Option<&'a str> {
    connection
        .split_whitespace()
        .filter_map(|pair| pair.split_once('='))
        .filter(|(name, _)| *name == key)
        .map(|(_, value)| value.trim_matches('\''))
        .next_back()
}

fn port(connection: &str) -> Option<u16> {
    value(connection, "port").map_or(Some(5432), |port| port.parse().ok())
}

fn is_local(connection: &str) -> bool {
    let host = value(connection, "hostaddr").or_else(|| value(connection, "host"));
    host.is_none_or(|host| {
        host.starts_with('/') || host.starts_with('@') || {
            host == "localhost" || host == "::1" || host.starts_with("127.")
        }
    })
}

/// How many servers a host has, for the names of what is made of them.
pub(crate) fn per_agent<'a>(found: impl Iterator<Item = &'a AgentId>) -> BTreeMap<AgentId, usize> {
    found.fold(BTreeMap::new(), |mut counts, agent| {
        *counts.entry(*agent).or_default() += 1;
        counts
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    fn found(directory: &str, identifier: u64, port: Option<u16>) -> DiscoveredInstance {
        DiscoveredInstance {
            data_directory: directory.to_owned(),
            running: port.is_some(),
            version: Some("15".to_owned()),
            system_identifier: Some(identifier.to_string()),
            port,
            socket_directory: None,
        }
    }

    fn cluster(connection: &str, directory: Option<&str>) -> Cluster {
        serde_json::from_value(json!({"instances": [
            {"agent": "db1", "connection": connection, "dataDirectory": directory}]}))
        .unwrap()
    }

    fn seen(directory: &str, identifier: u64) -> InstanceFacts {
        serde_json::from_value(json!({
            "cluster": "orders", "observedAt": "2026-02-03T02:41:07Z", "reachable": {
                "serverVersion": 150_018, "systemIdentifier": identifier.to_string(),
                "role": "primary", "timeline": 1, "dataDirectory": directory,
                "databaseBytes": 1, "checksums": true,
                "archiver": {"mode": "off", "lastArchived": null, "lastFailed": null},
                "slots": [], "disk": null}}))
        .unwrap()
    }

    #[test]
    fn a_server_is_known_by_what_its_agent_saw_of_it() {
        let (db1, db2, orders) = (name("db1"), name("db2"), name("orders"));
        let declared_cluster = cluster("host=/run/pg port=5433", None);
        let mut declared = DeclaredInstances::new();
        declare(&mut declared, (&orders, &declared_cluster), |_| {
            Some(seen("/data/main", 7))
        });
        let is = |agent: &Name, found: &DiscoveredInstance| {
            declared_as(&declared, agent, found).cloned()
        };
        let main = found("/data/main", 7, Some(5433));
        assert_eq!(is(&db1, &main), Some(orders.clone()));
        // The same by a symbolic link.
        assert_eq!(
            is(&db1, &found("/mnt/main", 7, Some(5433))),
            Some(orders.clone())
        );
        // Its standby beside it is another server, and so is one elsewhere.
        let standby = found("/data/standby", 7, Some(5434));
        assert_eq!(is(&db1, &standby), None);
        assert_eq!(is(&db2, &main), None);
        assert_eq!(resembles(&declared, &standby), Some(&orders));
        assert_eq!(resembles(&declared, &found("/x", 8, None)), None);
    }

    #[test]
    fn one_that_was_never_reached_is_known_by_its_address() {
        let (db1, orders) = (name("db1"), name("orders"));
        let is = |connection: &str, directory: Option<&str>, found: &DiscoveredInstance| {
            let declared_cluster = cluster(connection, directory);
            let mut declared = DeclaredInstances::new();
            declare(&mut declared, (&orders, &declared_cluster), |_| None);
            declared_as(&declared, &db1, found).is_some()
        };
        let running = found("/data/main", 7, Some(5432));
        assert!(is("host=/run/pg user=holdfast", None, &running));
        assert!(is("host=127.0.0.1 port=5432", None, &running));
        assert!(!is("host=127.0.0.1 port=5433", None, &running));
        assert!(!is("host=db9.example.com", None, &running));
        assert!(!is("host=/run/pg", Some("/data/other"), &running));
        assert!(is("host=/run/pg port=9", Some("/data/main"), &running));
        assert!(!is("host=/run/pg", None, &found("/data/main", 7, None)));
    }

    #[test]
    fn names_tell_the_servers_of_a_host_apart() {
        let db1 = name("db1");
        let one = found("/d", 7, Some(5433));
        assert_eq!(suggested_name(&db1, &one, false), "db1");
        assert_eq!(suggested_name(&db1, &one, true), "db1-5433");
    }
}
