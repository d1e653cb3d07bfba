//! What is restored becomes a cluster of its own, under a policy.

use holdfast_consensus::StateView;
use holdfast_state::query::{self, ResourceView};
use holdfast_types::access::Permission;
use holdfast_types::policy;
use holdfast_types::resource::{Document, Kind, Resource};
use holdfast_types::restoring::RegisterAs;
use holdfast_types::{Lsn, Name, RestoreResult, Timeline};
use serde_json::{Map, Value, json};

use super::WantedRestore;
use crate::app::App;
use crate::app::caller::Caller;
use crate::app::error::{AppError, Result};

impl App {
    /// Refuses to register what the caller may not, what exists, and what no policy
    /// would protect.
    pub(super) async fn may_register(
        &self,
        view: &StateView,
        by: &Caller,
        wanted: &WantedRestore,
    ) -> Result<()> {
        let Some(register) = &wanted.register else {
            return Ok(());
        };
        let conn = view.connection();
        let invalid = |message: String| AppError::invalid("register", message);
        if query::resource(conn, Kind::Cluster, &register.name)
            .await?
            .is_some()
        {
            let message = format!("there is a cluster \"{}\" already", register.name);
            return Err(invalid(message));
        }
        let source = query::resource(conn, Kind::Cluster, &wanted.cluster).await?;
        let source = source.ok_or_else(|| AppError::not_found("cluster", &wanted.cluster))?;
        let placeholder = RestoreResult {
            dir: wanted.dir.clone(),
            port: Some(5432),
            socket_dir: Some(wanted.dir.clone()),
            timeline: Timeline::FIRST,
            reached_lsn: Lsn::new(0),
            reached_time: None,
            last_xid: None,
            phases: Vec::new(),
            checks: Vec::new(),
            hooks: Vec::new(),
        };
        // Of a region it is not known yet who it will be: then whoever it is, the caller
        // was let restore there.
        let agent = wanted
            .agent
            .clone()
            .unwrap_or_else(|| register.name.clone());
        let document = document_of(&source, register, &agent, &placeholder)?;
        if wanted.agent.is_some() {
            self.demand_documents(view, by, &[&document]).await?;
        } else {
            let needed = Permission::ClustersWrite;
            self.demand_at(view, by, needed, &wanted.cluster).await?;
        }
        let policies = query::policies(conn).await?;
        let pairs = policies.iter().map(|(name, policy)| (name, policy));
        if policy::effective(pairs, &document.metadata.labels).is_none() {
            let message = "no policy selects its labels: give it some, or apply a policy first";
            return Err(AppError::invalid("register.labels", message));
        }
        Ok(())
    }
}

/// The document of the cluster that a restore becomes: the original's connection, on
/// the host, socket and port of what was restored.
pub(crate) fn document_of(
    source: &ResourceView,
    register: &RegisterAs,
    agent: &Name,
    result: &RestoreResult,
) -> Result<Document> {
    let invalid = |message: &str| AppError::invalid("register", message);
    let Resource::Cluster(cluster) = &source.document.resource else {
        return Err(invalid("only a cluster is registered as one"));
    };
    let Some(first) = cluster.instances.first() else {
        return Err(invalid("the original has no instance"));
    };
    let (Some(port), Some(socket)) = (result.port, &result.socket_dir) else {
        return Err(invalid("it was not started"));
    };
    let moved = |pair: &&str| {
        let key = pair.split('=').next().unwrap_or_default().trim();
        !["host", "hostaddr", "port", "sslmode"].contains(&key)
    };
    let kept: Vec<&str> = first.connection.split_whitespace().filter(moved).collect();
    let connection = format!("host={socket} port={port} {}", kept.join(" "));
    let mut instance =
        json!({"agent": agent, "connection": connection.trim_end(), "dataDirectory": result.dir});
    if let Some(secret) = &first.password_secret {
        instance["passwordSecret"] = json!(secret);
    }
    let labels = register.labels.as_ref().unwrap_or(source.labels());
    let mut metadata = Map::new();
    metadata.insert("name".to_owned(), json!(register.name));
    metadata.insert("labels".to_owned(), json!(labels));
    if let Some(fleet) = register.fleet.as_ref().or(source.fleet.as_ref()) {
        metadata.insert("fleet".to_owned(), json!(fleet));
    }
    Document::from_value(json!({
        "apiVersion": "holdfast/v1", "kind": "Cluster",
        "metadata": Value::Object(metadata), "spec": {"instances": [instance]},
    }))
    .map_err(|error| AppError::invalid("register", error.to_string()))
}
