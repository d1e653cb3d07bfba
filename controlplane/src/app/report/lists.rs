//! The lists of a report: what people and schedules did to its clusters.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use holdfast_consensus::StateView;
use holdfast_state::query::{self, ApprovalFilter, DrillFilter, ExemptionFilter, PageRequest};
use holdfast_types::{Name, RestoreTarget};
use jiff::Timestamp;

use crate::app::error::Result;
use crate::app::job::{JobSpec, WorkSpec};
use crate::plan::report::{self as plan, Asked};

/// The times in the period that were known: before the second of these.
pub(super) fn until(asked: Asked) -> (Timestamp, Timestamp) {
    let known = asked.known.checked_add(Duration::from_micros(1));
    let known = known.unwrap_or(Timestamp::MAX);
    (asked.period.from, asked.period.until.min(known))
}

/// The restores that ended, by cluster and time.
pub(super) async fn restores_of(
    view: &StateView,
    clusters: &[Name],
    asked: Asked,
) -> Result<Vec<holdfast_report::Restore>> {
    let conn = view.connection();
    let mut restores = Vec::new();
    for one in query::restores_ended(conn, clusters, until(asked)).await? {
        let votes = match one.approval {
            Some(approval) => query::approval(conn, approval, asked.known).await?,
            None => None,
        };
        let votes = votes.map(|request| request.votes).unwrap_or_default();
        restores.extend(plan::restore(one, &votes, asked));
    }
    let bare = query::bare_restores_ended(conn, clusters, until(asked)).await?;
    restores.extend(bare.into_iter().filter_map(bare_restore));
    restores.sort_by(|one, other| {
        let key = |one: &holdfast_report::Restore| (one.finished_at, one.id.clone());
        (&one.cluster, key(one)).cmp(&(&other.cluster, key(other)))
    });
    Ok(restores)
}

/// One that was made before there were plans that somebody consents to.
fn bare_restore(job: query::JobView) -> Option<holdfast_report::Restore> {
    let spec: Option<JobSpec> = serde_json::from_value(job.spec).ok();
    let at: Option<RestoreTarget> = spec.and_then(|spec| match spec.work {
        WorkSpec::Restore { request, .. } => Some(request.at),
        _ => None,
    });
    Some(holdfast_report::Restore {
        id: job.id.to_string(),
        cluster: job.cluster,
        asked_at: job.created_at,
        finished_at: job.finished_at?,
        state: job.state.to_string(),
        at: at.map(|at| at.to_string()),
        agent: job.wanted_agent,
        requested_by: job.created_by.map(|by| by.to_string()),
        cause: job.failure.map(|failure| failure.code),
        evidence: None,
    })
}

/// The alarms of these clusters that somebody took on.
pub(super) async fn acknowledgements_of(
    view: &StateView,
    members: &BTreeSet<&Name>,
    asked: Asked,
) -> Result<Vec<holdfast_report::Acknowledgement>> {
    let found = query::acknowledgements(view.connection(), until(asked)).await?;
    let acknowledgement = |one: query::Acknowledged| {
        let cluster = one
            .alarm
            .cluster
            .filter(|cluster| members.contains(cluster));
        Some(holdfast_report::Acknowledgement {
            at: one.at,
            audit_seq: one.seq,
            alarm: one.alarm.id.to_string(),
            cluster: cluster?,
            rule: one.alarm.rule.to_string(),
            subject: one.alarm.subject,
            opened_at: one.alarm.opened_at,
            by: one.by.to_string(),
            note: one.note,
        })
    };
    Ok(found.into_iter().filter_map(acknowledgement).collect())
}

pub(super) async fn drills_of(
    view: &StateView,
    members: &BTreeSet<&Name>,
    asked: Asked,
) -> Result<Vec<holdfast_report::Drill>> {
    let (filter, mut request) = (DrillFilter::default(), PageRequest::longest());
    let mut drills = Vec::new();
    loop {
        let page = query::drills(view.connection(), &filter, &request).await?;
        // The latest come first.
        let before = page
            .items
            .last()
            .is_some_and(|last| last.finished_at < asked.period.from);
        for one in page.items {
            if !members.contains(&one.cluster) || !asked.covers(one.finished_at) {
                continue;
            }
            let checks = one
                .evidence
                .map(|evidence| evidence.checks)
                .unwrap_or_default();
            drills.push(holdfast_report::Drill {
                id: one.id.to_string(),
                cluster: one.cluster,
                finished_at: one.finished_at,
                verdict: one.verdict.to_string(),
                at: one.target.map(|target| target.to_string()),
                repository: one.repository,
                agent: one.agent,
                achieved_rto_seconds: one.rto.map(|rto| rto.get().into()),
                achieved_rpo_seconds: one.rpo.map(|rpo| rpo.get().into()),
                checks_passed: checks.iter().filter(|check| check.passed).count() as u64,
                checks: checks.len() as u64,
                cause: one.cause.map(|cause| cause.code),
            });
        }
        match page.next_cursor {
            Some(cursor) if !before => request.cursor = Some(cursor),
            _ => break,
        }
    }
    drills.sort_by(|one, other| (one.finished_at, &one.id).cmp(&(other.finished_at, &other.id)));
    Ok(drills)
}

pub(super) async fn exemptions_of(
    view: &StateView,
    members: &BTreeSet<&Name>,
    asked: Asked,
) -> Result<Vec<holdfast_report::Exemption>> {
    let (filter, mut request) = (ExemptionFilter::default(), PageRequest::longest());
    let mut exemptions = Vec::new();
    loop {
        let page = query::exemptions(view.connection(), &filter, &request).await?;
        let found = page
            .items
            .iter()
            .filter(|one| members.contains(&one.cluster));
        exemptions.extend(found.filter_map(|one| plan::exemption(one, asked)));
        match page.next_cursor {
            Some(cursor) => request.cursor = Some(cursor),
            None => break,
        }
    }
    exemptions.sort_by(|one, other| (one.from, &one.id).cmp(&(other.from, &other.id)));
    Ok(exemptions)
}

pub(super) async fn deletions_of(
    view: &StateView,
    members: &BTreeSet<&Name>,
    asked: Asked,
) -> Result<Vec<holdfast_report::Deletion>> {
    let found = query::deletions(view.connection(), until(asked)).await?;
    let found = found
        .into_iter()
        .filter(|one| members.contains(&one.cluster));
    let deletion = |one: query::ClusterDeletion| holdfast_report::Deletion {
        at: one.at,
        audit_seq: one.seq,
        cluster: Some(one.cluster),
        action: one.action,
        subject: one.target,
        by: one.by.to_string(),
    };
    Ok(found.map(deletion).collect())
}

/// Of requests about more than clusters, none: they are not of one fleet.
pub(super) async fn approvals_of(
    view: &StateView,
    members: &BTreeSet<&Name>,
    asked: Asked,
) -> Result<Vec<holdfast_report::Approval>> {
    let (filter, mut request) = (ApprovalFilter::default(), PageRequest::longest());
    let mut approvals: BTreeMap<(Timestamp, String), holdfast_report::Approval> = BTreeMap::new();
    loop {
        let page = query::approvals(view.connection(), &filter, &request, asked.known).await?;
        for one in &page.items {
            let clusters = one.clusters.iter().flatten();
            if !clusters
                .into_iter()
                .any(|cluster| members.contains(cluster))
            {
                continue;
            }
            if let Some(found) = plan::approval(one, asked) {
                approvals.insert((found.asked_at, found.id.clone()), found);
            }
        }
        match page.next_cursor {
            Some(cursor) => request.cursor = Some(cursor),
            None => break,
        }
    }
    Ok(approvals.into_values().collect())
}
