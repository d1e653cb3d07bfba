//! What is not there: agents, drills, runs and nodes.

use std::collections::BTreeMap;

use holdfast_types::Name;
use holdfast_types::alarm::{AlarmDetail, AlarmRule};
use holdfast_types::drill::NotProven;
use jiff::Timestamp;

use super::{ClusterFacts, Facts, Observed, older, shown};

pub(super) fn observe(cluster: &ClusterFacts, now: Timestamp, all: &mut Vec<Observed>) {
    let name = &cluster.name;
    for agent in cluster.agents.iter().filter(|agent| !agent.online) {
        let message = match agent.last_seen_at {
            Some(at) => format!(
                "the agent \"{}\" of \"{name}\" was heard of last at {}",
                agent.name,
                shown(at)
            ),
            None => format!(
                "nobody has heard of the agent \"{}\" of \"{name}\"",
                agent.name
            ),
        };
        let detail = AlarmDetail::new(message)
            .because("agent_offline")
            .since(agent.last_seen_at);
        let subject = format!("clusters/{name}/agents/{}", agent.name);
        all.push(Observed::new(AlarmRule::AgentAbsent, subject, detail).of(cluster));
    }
    drill(cluster, now, all);
}

/// A cluster that is new is given the time in which the first drill is made.
fn drill(cluster: &ClusterFacts, now: Timestamp, all: &mut Vec<Observed>) {
    let (Some(fresh_for), Some(because)) = (cluster.drills, cluster.proof.because) else {
        return;
    };
    let is_new = !older(cluster.created_at, now, fresh_for.get());
    let name = &cluster.name;
    let message = match because {
        NotProven::NoDrill if is_new => return,
        NotProven::NoDrill => format!("no restore of \"{name}\" was ever rehearsed with success"),
        NotProven::DrillFailed => format!("the last drill of \"{name}\" failed"),
        NotProven::DrillTooOld => format!(
            "the last drill of \"{name}\" that passed is older than {fresh_for}, for which one counts"
        ),
    };
    let detail = AlarmDetail::new(message)
        .because(because.as_str())
        .since(cluster.proof.drilled_at);
    let mark = match (because, cluster.proof.drill) {
        (NotProven::DrillFailed, Some(drill)) => drill.to_string(),
        _ => String::new(),
    };
    let observed = Observed::new(AlarmRule::NoDrill, format!("clusters/{name}"), detail);
    all.push(observed.of(cluster).marked(mark));
}

pub(super) fn runs(facts: &Facts, all: &mut Vec<Observed>) {
    let clusters: BTreeMap<&Name, &ClusterFacts> =
        facts.clusters.iter().map(|one| (&one.name, one)).collect();
    for run in &facts.missed {
        let Some(cluster) = clusters.get(&run.cluster) else {
            continue;
        };
        let why = run
            .reason
            .map(|reason| format!(": {reason}"))
            .unwrap_or_default();
        let message = format!(
            "the run of \"{}\" for \"{}\" that was due at {} was missed{why}",
            run.schedule,
            run.cluster,
            shown(run.due)
        );
        let detail = AlarmDetail::new(message).since(run.due);
        let subject = format!("clusters/{}/schedules/{}", run.cluster, run.schedule);
        let observed = Observed::new(AlarmRule::RunMissed, subject, detail);
        all.push(observed.of(cluster).marked(run.due));
    }
    for run in &facts.waiting {
        let Some(cluster) = clusters.get(&run.cluster) else {
            continue;
        };
        let message = format!(
            "the run of \"{}\" for \"{}\" has been due since {}, and no agent has begun {}",
            run.schedule,
            run.cluster,
            shown(run.due),
            run.job
        );
        let detail = AlarmDetail::new(message).since(run.due);
        let subject = format!("clusters/{}/schedules/{}", run.cluster, run.schedule);
        let observed = Observed::new(AlarmRule::NoRun, subject, detail);
        all.push(observed.of(cluster).marked(run.due));
    }
}

pub(super) fn nodes(facts: &Facts, all: &mut Vec<Observed>) {
    for node in facts.nodes.iter().filter(|node| !node.reachable) {
        let message = format!("the node \"{}\" of the control plane is away", node.name);
        let subject = format!("nodes/{}", node.name);
        all.push(Observed::new(
            AlarmRule::NodeLost,
            subject,
            AlarmDetail::new(message),
        ));
    }
}
