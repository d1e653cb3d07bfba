//! What could be lost of a cluster, and what keeps WAL and copies from arriving.

use holdfast_types::Compliance;
use holdfast_types::alarm::{AlarmDetail, AlarmRule};
use jiff::Timestamp;

use super::{ClusterFacts, Limits, Observed, later, older, shown};

pub(super) fn observe(
    cluster: &ClusterFacts,
    limits: Limits,
    now: Timestamp,
    all: &mut Vec<Observed>,
) {
    verdict(cluster, all);
    unprotected(cluster, limits, now, all);
    repositories(cluster, all);
    receiving(cluster, limits, now, all);
}

fn verdict(cluster: &ClusterFacts, all: &mut Vec<Observed>) {
    let name = &cluster.name;
    let subject = format!("clusters/{name}");
    let known = &cluster.verdict;
    let seconds = |seconds: Option<f64>| {
        seconds.map_or_else(
            || "all of it".to_owned(),
            |seconds| format!("{seconds:.0} s"),
        )
    };
    let because = |detail: AlarmDetail| match &known.cause {
        Some(cause) => detail.because(cause.clone()),
        None => detail,
    };
    match known.status {
        Some(Compliance::Violated) => {
            let message = format!(
                "\"{name}\" could lose {}, its RPO is {}",
                seconds(known.exposure_seconds),
                seconds(known.rpo_seconds)
            );
            // The instant at which it was violated, and not when somebody looked.
            let rpo = known.rpo_seconds.unwrap_or_default().max(0.0);
            let rpo = std::time::Duration::try_from_secs_f64(rpo).unwrap_or_default();
            let since = known.frontier.map(|frontier| later(frontier, rpo));
            let detail = because(AlarmDetail::new(message)).since(since);
            let rule = AlarmRule::ExposureViolated;
            all.push(Observed::new(rule, subject.clone(), detail).of(cluster));
            // It is known no better than before: that is not over because it got worse.
            let detail = AlarmDetail::new("nothing newer is known");
            let mut still = Observed::new(AlarmRule::ExposureUnknown, subject, detail).of(cluster);
            still.opens = false;
            all.push(still);
        }
        Some(Compliance::Unknown) => {
            let message = match known.frontier {
                Some(frontier) => format!(
                    "nothing is known of \"{name}\" since {}: it counts as exposed",
                    shown(frontier)
                ),
                None => format!("nothing is known of \"{name}\": it counts as exposed"),
            };
            let detail = because(AlarmDetail::new(message)).since(known.frontier);
            all.push(Observed::new(AlarmRule::ExposureUnknown, subject, detail).of(cluster));
        }
        Some(
            Compliance::Compliant
            | Compliance::AtRisk
            | Compliance::Unprotected
            | Compliance::Exempt,
        )
        | None => {}
    }
}

fn unprotected(cluster: &ClusterFacts, limits: Limits, now: Timestamp, all: &mut Vec<Observed>) {
    let name = &cluster.name;
    let (message, cause) = if !cluster.has_policy {
        (format!("no policy selects \"{name}\""), "no_policy")
    } else if cluster.verdict.status == Some(Compliance::Unprotected)
        && older(cluster.created_at, now, limits.first_backup)
    {
        (format!("there is no backup of \"{name}\""), "no_backup")
    } else {
        return;
    };
    let detail = AlarmDetail::new(message).because(cause);
    let subject = format!("clusters/{name}");
    all.push(Observed::new(AlarmRule::Unprotected, subject, detail).of(cluster));
}

fn repositories(cluster: &ClusterFacts, all: &mut Vec<Observed>) {
    let name = &cluster.name;
    for (repository, gaps) in &cluster.gaps {
        let Some(last) = gaps.last() else {
            continue;
        };
        let message = format!(
            "WAL of \"{name}\" is missing in \"{repository}\": {} to {}, {} in all",
            last.from_lsn,
            last.to_lsn,
            gaps.len()
        );
        let detail = AlarmDetail::new(message).because("wal_gap");
        let subject = format!("clusters/{name}/repositories/{repository}");
        let mark = format!("{}-{}", last.from_lsn, last.to_lsn);
        all.push(
            Observed::new(AlarmRule::Gap, subject, detail)
                .of(cluster)
                .marked(mark),
        );
    }
    for copy in &cluster.late_copies {
        let within = copy.within_seconds.unwrap_or_default();
        let message = match copy.frontier {
            Some(frontier) => format!(
                "the copy of \"{name}\" in \"{}\" ends at {}, and may be {within} s behind",
                copy.repository,
                shown(frontier)
            ),
            None => format!(
                "nothing can be restored from the copy of \"{name}\" in \"{}\"",
                copy.repository
            ),
        };
        let detail = AlarmDetail::new(message).since(copy.frontier);
        let subject = format!("clusters/{name}/repositories/{}", copy.repository);
        all.push(Observed::new(AlarmRule::CopyLag, subject, detail).of(cluster));
    }
}

fn receiving(cluster: &ClusterFacts, limits: Limits, now: Timestamp, all: &mut Vec<Observed>) {
    let name = &cluster.name;
    if let Some((length, failure)) = &cluster.trouble
        && *length >= limits.trouble
    {
        let message = format!("WAL of \"{name}\" does not arrive: {}", failure.message);
        let began = jiff::SignedDuration::try_from(*length).unwrap_or_default();
        let detail = AlarmDetail::new(message)
            .because(failure.code.clone())
            .since(now.checked_sub(began).ok());
        let observed = Observed::new(AlarmRule::WalTrouble, format!("clusters/{name}"), detail);
        all.push(observed.of(cluster).marked(&failure.code));
    }
    for (agent, code, message) in &cluster.slots {
        let message = format!("the slot for \"{name}\" at \"{agent}\": {message}");
        let detail = AlarmDetail::new(message).because(code.clone());
        let subject = format!("clusters/{name}/agents/{agent}");
        let observed = Observed::new(AlarmRule::SlotTrouble, subject, detail);
        all.push(observed.of(cluster).marked(code));
    }
}
