//! What failed, and what waits for people.

use std::collections::BTreeMap;

use holdfast_types::alarm::{AlarmDetail, AlarmRule};
use holdfast_types::{JobKind, Name};
use jiff::Timestamp;

use super::{ClusterFacts, Facts, Limits, Observed, older, shown};

pub(super) fn observe(facts: &Facts, limits: Limits, now: Timestamp, all: &mut Vec<Observed>) {
    let clusters: BTreeMap<&Name, &ClusterFacts> =
        facts.clusters.iter().map(|one| (&one.name, one)).collect();
    jobs(facts, &clusters, all);
    approvals(facts, &clusters, (limits, now), all);
    channels(facts, limits, all);
}

fn jobs(facts: &Facts, clusters: &BTreeMap<&Name, &ClusterFacts>, all: &mut Vec<Observed>) {
    for job in &facts.failed {
        let Some(cluster) = clusters.get(&job.cluster) else {
            continue;
        };
        let told = match job.kind {
            JobKind::Backup | JobKind::Copy => true,
            // Where drills are promised, that they prove nothing is what is told.
            JobKind::Drill => cluster.drills.is_none(),
            // Whoever asked for it looks at it, and no later one makes it good.
            JobKind::Restore => false,
        };
        if !told {
            continue;
        }
        let why = job.failure.as_ref().map(|failure| failure.message.as_str());
        let message = format!(
            "the last {} of \"{}\" failed, {}: {}",
            job.kind,
            job.cluster,
            job.job,
            why.unwrap_or("it does not say why")
        );
        let mut detail = AlarmDetail::new(message).since(job.finished_at);
        if let Some(failure) = &job.failure {
            detail = detail.because(failure.code.clone());
        }
        let subject = format!("clusters/{}/jobs/{}", job.cluster, job.kind);
        let observed = Observed::new(AlarmRule::JobFailed, subject, detail);
        all.push(observed.of(cluster).marked(job.job));
    }
}

fn approvals(
    facts: &Facts,
    clusters: &BTreeMap<&Name, &ClusterFacts>,
    (limits, now): (Limits, Timestamp),
    all: &mut Vec<Observed>,
) {
    for request in &facts.approvals {
        if request.expires_at <= now || !older(request.created_at, now, limits.approval) {
            continue;
        }
        let message = format!(
            "{} asks for consent to {} {}, until {}",
            request.requested_by,
            request.action,
            request.subject,
            shown(request.expires_at)
        );
        let subject = format!("approvals/{}", request.id);
        let detail = AlarmDetail::new(message).since(request.created_at);
        let mut observed = Observed::new(AlarmRule::ApprovalWaiting, subject, detail);
        if let Some(cluster) = request.cluster.as_ref().and_then(|name| clusters.get(name)) {
            observed = observed.of(cluster);
        }
        all.push(observed);
    }
}

fn channels(facts: &Facts, limits: Limits, all: &mut Vec<Observed>) {
    for (name, health) in &facts.channels {
        let stuck = health.failed_attempts >= limits.attempts;
        if !stuck && health.gave_up.is_none() {
            continue;
        }
        let error = health.error.as_deref().unwrap_or("it does not say why");
        let message = match stuck {
            true => format!(
                "the channel \"{name}\" does not take notices, {} wait: {error}",
                health.pending
            ),
            false => format!("a notice to the channel \"{name}\" was given up: {error}"),
        };
        let subject = format!("notification-channels/{name}");
        let detail = AlarmDetail::new(message);
        let mark = health.stuck.or(health.gave_up);
        let mark = mark.map(|notice| notice.to_string()).unwrap_or_default();
        all.push(Observed::new(AlarmRule::ChannelFailing, subject, detail).marked(mark));
    }
}
