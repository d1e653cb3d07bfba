//! What applying documents would change, for which clusters.

use std::collections::BTreeSet;

use holdfast_consensus::StateView;
use holdfast_types::Name;
use holdfast_types::policy::{Affected, Declared, Lint, affected, contract, lint};
use holdfast_types::resource::{Document, Kind, Policy, Resource};
use holdfast_types::schedule::{NextRun, PREVIEW_MAX, Timetable};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::expires::{Expiring, expiring};
use super::measure::{Facts, declared};
use crate::app::App;
use crate::app::apply::{ApplyResult, ConsentView, Rehearsed, read_all};
use crate::app::caller::Caller;
use crate::app::error::{AppError, Result};

/// What applying documents would do.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PolicyPreview)]
pub struct Preview {
    /// What would become of each document, in their order.
    pub results: Vec<ApplyResult>,
    /// What each policy among them would promise, and to whom.
    pub policies: Vec<PolicyPreview>,
    /// Every cluster that something changes for, those that change alike
    /// together.
    pub affected: Vec<Affected>,
    /// The backups that would be condemned then and would not be now.
    pub expires: Expiring,
    /// The next runs of these policies, in the order of their due times.
    pub next_runs: Vec<PreviewedRun>,
    /// The consent of others that applying them would wait for; left out when it
    /// would be done at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consent: Option<ConsentView>,
}

/// What a policy would promise, and to whom.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PreviewedPolicy)]
pub struct PolicyPreview {
    /// The policy.
    #[schema(value_type = String)]
    pub policy: Name,
    /// What it promises, in one sentence.
    pub contract: String,
    /// The clusters that it would be in force for, by name.
    #[schema(value_type = Vec<String>)]
    pub clusters: Vec<Name>,
    /// What speaks against its promises.
    pub lint: Vec<Lint>,
}

/// A run to come of a policy.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreviewedRun {
    /// The policy.
    #[schema(value_type = String)]
    pub policy: Name,
    /// The cluster.
    #[schema(value_type = String)]
    pub cluster: Name,
    /// The schedule.
    #[schema(value_type = String)]
    pub schedule: Name,
    /// When, and whether it can start.
    pub next: NextRun,
}

impl App {
    /// Says what applying these documents would change; changes nothing.
    pub async fn preview(
        &self,
        by: &Caller,
        documents: Vec<Value>,
        runs: usize,
    ) -> Result<Preview> {
        if runs > PREVIEW_MAX {
            let message = format!("a preview has at most {PREVIEW_MAX} runs");
            return Err(AppError::invalid("runs", message));
        }
        let read = read_all(documents)?;
        let view = self.read(by).await?;
        // Refused as applying them would be, in the same words.
        let documents: Vec<&Document> = read.iter().collect();
        self.demand_documents(&view, by, &documents).await?;
        let Rehearsed { results, consent } = self.rehearse(&view, read.clone()).await?;
        let (before, after) = before_and_after(&view, &read).await?;
        let now = Timestamp::now();
        let policies = promises(&view, &read, &after, now).await?;
        let affected = affected(&before, &after);
        Ok(Preview {
            results,
            expires: expiring(&view, &affected, &after, now).await?,
            next_runs: next_runs(&policies, &after, now, runs)?,
            policies,
            affected,
            consent,
        })
    }

    /// Every cluster that something would change for.
    pub(in crate::app) async fn affected_by(
        &self,
        view: &StateView,
        read: &[Document],
    ) -> Result<Vec<Affected>> {
        let (before, after) = before_and_after(view, read).await?;
        Ok(affected(&before, &after))
    }

    /// What speaks against the promises of each policy among documents that are
    /// applied, or would be.
    pub(in crate::app) async fn lint_of(
        &self,
        view: &StateView,
        read: &[Document],
    ) -> Result<Vec<(Name, Vec<Lint>)>> {
        if !read.iter().any(|one| one.kind() == Kind::Policy) {
            return Ok(Vec::new());
        }
        let (_, after) = before_and_after(view, read).await?;
        let policies = promises(view, read, &after, Timestamp::now()).await?;
        let pairs = policies.into_iter();
        Ok(pairs.map(|one| (one.policy, one.lint)).collect())
    }
}

/// What is declared, and what would be with these documents.
async fn before_and_after(view: &StateView, read: &[Document]) -> Result<(Declared, Declared)> {
    let before = declared(view).await?;
    let mut after = before.clone();
    for document in read {
        let name = document.metadata.name.clone();
        match &document.resource {
            Resource::Policy(policy) => {
                after.policies.insert(name, (**policy).clone());
            }
            Resource::Cluster(_) => {
                after
                    .clusters
                    .insert(name, document.metadata.labels.clone());
            }
            Resource::Repository(_)
            | Resource::Fleet(_)
            | Resource::DrillPlan(_)
            | Resource::RoleBinding(_)
            | Resource::NotificationChannel(_) => {}
        }
    }
    Ok((before, after))
}

async fn promises(
    view: &StateView,
    read: &[Document],
    after: &Declared,
    now: Timestamp,
) -> Result<Vec<PolicyPreview>> {
    let mut facts = Facts::gather(view).await?;
    for document in read {
        if let Resource::Repository(repository) = &document.resource {
            let name = document.metadata.name.clone();
            facts.declare_region(name, repository.region.clone());
        }
    }
    let policies = read.iter().filter_map(|document| match &document.resource {
        Resource::Policy(policy) => Some((&document.metadata.name, &**policy)),
        Resource::Repository(_)
        | Resource::Fleet(_)
        | Resource::Cluster(_)
        | Resource::DrillPlan(_)
        | Resource::RoleBinding(_)
        | Resource::NotificationChannel(_) => None,
    });
    let promise = |(name, policy): (&Name, &Policy)| {
        let clusters = after.governed_by(name);
        let measured = facts.of(clusters.iter().cloned());
        PolicyPreview {
            policy: name.clone(),
            contract: contract(policy),
            lint: lint(policy, &measured, now),
            clusters,
        }
    };
    Ok(policies.map(promise).collect())
}

fn next_runs(
    policies: &[PolicyPreview],
    after: &Declared,
    now: Timestamp,
    count: usize,
) -> Result<Vec<PreviewedRun>> {
    let mut next = Vec::new();
    for previewed in policies {
        let schedules = after.policies.get(&previewed.policy);
        let schedules = schedules.map(|policy| policy.schedules.as_slice());
        for schedule in schedules.unwrap_or_default() {
            let mut of_schedule = Vec::new();
            for cluster in &previewed.clusters {
                let timetable = Timetable::new(cluster, schedule).map_err(AppError::internal)?;
                of_schedule.extend(timetable.next_runs(now, count));
                // What is not among the first of some is not among those of all.
                if of_schedule.len() > 4 * PREVIEW_MAX {
                    first(&mut of_schedule, count);
                }
            }
            first(&mut of_schedule, count);
            next.extend(of_schedule.into_iter().map(|run| PreviewedRun {
                policy: previewed.policy.clone(),
                cluster: run.run.cluster().clone(),
                schedule: run.run.schedule().clone(),
                next: run,
            }));
        }
    }
    // So many of each policy, as each is looked at alone.
    next.sort_by(|one, other| {
        let key = |run: &PreviewedRun| (run.next.due.at, run.next.run.to_string());
        key(one).cmp(&key(other))
    });
    let mut shown = Vec::new();
    let names: BTreeSet<&Name> = policies.iter().map(|one| &one.policy).collect();
    for name in names {
        let of_one = next.iter().filter(|run| run.policy == *name);
        shown.extend(of_one.take(count).cloned());
    }
    shown.sort_by_key(|run| (run.next.due.at, run.next.run.to_string()));
    Ok(shown)
}

fn first(runs: &mut Vec<NextRun>, count: usize) {
    runs.sort_by(|one, other| one.due.cmp(&other.due).then(one.run.cmp(&other.run)));
    runs.truncate(count);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_next_runs_of_each_policy_are_in_the_order_of_their_due_times() {
        let name = |text: &str| text.parse::<Name>().unwrap();
        let policy: Policy = serde_json::from_value(json!({
            "selector": {}, "repository": "eu",
            "schedules": [{"name": "hourly", "kind": "full", "cron": "30 * * * *"},
                          {"name": "late", "kind": "full", "cron": "45 10 * * *"}],
        }))
        .unwrap();
        let mut after = Declared::default();
        after.policies.insert(name("gold"), policy);
        let previewed = PolicyPreview {
            policy: name("gold"),
            contract: String::new(),
            clusters: vec![name("orders"), name("shop")],
            lint: Vec::new(),
        };
        let now = "2026-02-03T10:00:00Z".parse().unwrap();
        let next = next_runs(&[previewed], &after, now, 5).unwrap();
        let runs: Vec<String> = next.iter().map(|run| run.next.run.to_string()).collect();
        let expected = [
            "orders.hourly.2026-02-03T10_30_00Z",
            "shop.hourly.2026-02-03T10_30_00Z",
            "orders.late.2026-02-03T10_45_00Z",
            "shop.late.2026-02-03T10_45_00Z",
            "orders.hourly.2026-02-03T11_30_00Z",
        ];
        assert_eq!(runs, expected);
    }
}
