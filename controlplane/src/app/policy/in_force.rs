//! What is in force for a cluster, and where each field of it comes from.

use holdfast_state::query;
use holdfast_types::access::Permission;
use holdfast_types::policy::{Lint, PolicyField, contract, fields, lint};
use holdfast_types::resource::{Kind, Labels, Policy, selects};
use holdfast_types::{Name, Revision};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::measure::Facts;
use crate::app::App;
use crate::app::caller::Caller;
use crate::app::error::Result;

/// What is in force for a cluster.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyInForce {
    /// The cluster.
    #[schema(value_type = String)]
    pub cluster: Name,
    /// The policy; null when none selects the cluster, or it is retired.
    #[schema(value_type = Option<String>)]
    pub policy: Option<Name>,
    /// Its revision.
    pub revision: Option<Revision>,
    /// The labels by which it selects the cluster.
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>)]
    pub selector: Option<Labels>,
    /// What it promises, in one sentence.
    pub contract: Option<String>,
    /// Every field, with its origin.
    pub fields: Vec<PolicyField>,
    /// Policies that select the cluster too, and yield to this one.
    pub passed_over: Vec<PassedOver>,
    /// What speaks against its promises for this cluster.
    pub lint: Vec<Lint>,
}

/// A policy that yields to one of a higher priority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PassedOver {
    /// The policy.
    #[schema(value_type = String)]
    pub policy: Name,
    /// Its priority, which is lower.
    pub priority: i32,
}

impl App {
    /// What is in force for a cluster.
    pub async fn policy_in_force(&self, by: &Caller, cluster: &Name) -> Result<PolicyInForce> {
        let view = self.read(by).await?;
        self.demand_at(&view, by, Permission::PoliciesRead, cluster)
            .await?;
        self.cluster(&view, cluster).await?;
        let conn = view.connection();
        let Some((name, policy)) = query::effective_policy(conn, cluster).await? else {
            return Ok(PolicyInForce {
                cluster: cluster.clone(),
                policy: None,
                revision: None,
                selector: None,
                contract: None,
                fields: Vec::new(),
                passed_over: Vec::new(),
                lint: Vec::new(),
            });
        };
        let labels = query::resource(conn, Kind::Cluster, cluster).await?;
        let labels = labels
            .map(|found| found.labels().clone())
            .unwrap_or_default();
        let yields = |(other, it): (Name, Policy)| {
            let selected = other != name && selects(&it.selector, &labels);
            selected.then(|| PassedOver {
                priority: it.priority(),
                policy: other,
            })
        };
        let passed_over = query::policies(conn).await?;
        let found = query::resource(conn, Kind::Policy, &name).await?;
        let measured = Facts::gather(&view).await?.of([cluster.clone()]);
        Ok(PolicyInForce {
            cluster: cluster.clone(),
            revision: found.map(|found| found.revision),
            selector: Some(policy.selector.clone()),
            contract: Some(contract(&policy)),
            fields: fields(&policy),
            passed_over: passed_over.into_iter().filter_map(yields).collect(),
            lint: lint(&policy, &measured, Timestamp::now()),
            policy: Some(name),
        })
    }
}
