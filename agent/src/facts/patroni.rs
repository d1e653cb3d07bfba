//! Asking Patroni who leads.
//!
//! Two of its answers are needed: `GET /patroni` says what it calls this
//! instance, `GET /cluster` who holds the leader's lock. Both need no
//! password, whatever its configuration protects.

use std::time::Duration;

use holdfast_types::{Failure, PatroniFacts};
use reqwest::Client;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// It answers from memory; one that takes longer is in trouble.
const PATIENCE: Duration = Duration::from_secs(5);
/// What `/cluster` calls the member that leads; a standby cluster has another
/// word for it.
const LEADERS: [&str; 3] = ["leader", "master", "standby_leader"];

/// Patroni's REST API on one host.
pub(super) struct Patroni {
    url: String,
    client: Result<Client, Failure>,
}

#[derive(Debug, Deserialize)]
struct Itself {
    patroni: Named,
}

#[derive(Debug, Deserialize)]
struct Named {
    name: String,
}

#[derive(Debug, Deserialize)]
struct Group {
    members: Vec<Member>,
    #[serde(default)]
    pause: bool,
}

#[derive(Debug, Deserialize)]
struct Member {
    name: String,
    role: String,
}

impl Patroni {
    pub(super) fn at(url: &str) -> Self {
        // A proxy has no business between a host and itself.
        let client = Client::builder().no_proxy().timeout(PATIENCE).build();
        let url = url.trim_end_matches('/').to_owned();
        let client = client.map_err(|error| unreachable(&url, &error));
        Self { url, client }
    }

    pub(super) async fn ask(&self) -> PatroniFacts {
        match self.read().await {
            Ok((itself, group)) => facts(itself, group),
            Err(failure) => PatroniFacts {
                member: None,
                leader: None,
                paused: false,
                failure: Some(failure),
            },
        }
    }

    async fn read(&self) -> Result<(Itself, Group), Failure> {
        // Also an instance that is down has a name: that answer has status 503.
        Ok((self.get("patroni").await?, self.get("cluster").await?))
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        let client = self.client.as_ref().map_err(Clone::clone)?;
        let url = format!("{}/{path}", self.url);
        let failed = |error: reqwest::Error| unreachable(&url, &error);
        let answer = client.get(&url).send().await.map_err(failed)?;
        answer.json().await.map_err(failed)
    }
}

fn facts(itself: Itself, group: Group) -> PatroniFacts {
    let leads = |member: &&Member| LEADERS.contains(&member.role.as_str());
    let leader = group.members.iter().find(leads);
    PatroniFacts {
        member: Some(itself.patroni.name),
        leader: leader.map(|member| member.name.clone()),
        paused: group.pause,
        failure: None,
    }
}

fn unreachable(url: &str, error: &reqwest::Error) -> Failure {
    let mut reason = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        reason = cause.to_string();
        source = cause.source();
    }
    Failure::transient(
        "patroni_unreachable",
        format!("Patroni's REST API at {url} did not answer as expected: {reason}"),
        "it is asked again; meanwhile what PostgreSQL itself says decides where the primary is. \
         Check the address in the cluster's document and that Patroni runs on that host",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    // As Patroni 4.0 answers; 3.x says "master" in `/patroni` only.
    const ITSELF: &str = r#"{"state": "running", "role": "replica", "server_version": 150018,
        "patroni": {"version": "4.0.6", "scope": "orders", "name": "two"}}"#;
    const GROUP: &str = r#"{"members": [
        {"name": "one", "role": "leader", "state": "running", "api_url": "http://a:8008/patroni",
         "host": "a", "port": 5432, "timeline": 3},
        {"name": "two", "role": "replica", "state": "streaming", "lag": 0}],
        "scope": "orders", "pause": true}"#;

    #[test]
    fn it_is_known_who_leads_and_what_this_one_is_called() {
        let itself = serde_json::from_str(ITSELF).unwrap();
        let told = facts(itself, serde_json::from_str(GROUP).unwrap());
        assert_eq!(told.member.as_deref(), Some("two"));
        assert_eq!(told.leader.as_deref(), Some("one"));
        assert!(told.paused);
        assert_eq!(told.leads(), Some(false));
    }

    #[test]
    fn without_a_leader_nobody_is_said_to_lead() {
        let itself = serde_json::from_str(ITSELF).unwrap();
        let group = r#"{"members": [{"name": "two", "role": "replica"}]}"#;
        let told = facts(itself, serde_json::from_str(group).unwrap());
        assert_eq!(told.leads(), None);
    }
}
