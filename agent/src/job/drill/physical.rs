//! A drill of a base backup and WAL: planned and executed as a restore is.

use std::collections::BTreeMap;

use holdfast_proto::{DrillWork, PlanRequest, RestoreWork};
use holdfast_types::{RestorePlan, RestoreRequest, TargetAction};

use super::findings::Findings;
use super::lair::Lair;
use super::server::Server;
use crate::host::Host;
use crate::job::JobContext;
use crate::job::backup::{Stopped, or_cancelled};
use crate::job::restore;

pub(super) async fn run(
    work: &DrillWork,
    cx: &JobContext,
    (host, lair): (&Host, &Lair),
    findings: &mut Findings,
) -> Result<Server, Stopped> {
    let (request, plan) = or_cancelled(cx, plan(work, (host, lair))).await?;
    note(findings, &plan);
    if let Some(problem) = plan.problems.first() {
        return Err(Stopped::Failed(problem.clone()));
    }
    lair.check_room(plan.database_bytes)?;
    for tablespace in &plan.tablespaces {
        cx.log(format!(
            "tablespace {} goes to {}",
            tablespace.from, tablespace.to
        ));
    }
    let restore = RestoreWork {
        job: work.job,
        repository: work.repository.clone(),
        request,
        plan,
    };
    let rehearsed = restore::rehearse(&restore, cx, host).await?;
    let result = rehearsed.result;
    let evidence = &mut findings.evidence;
    evidence.reached_lsn = Some(result.reached_lsn);
    evidence.last_commit_at = result.reached_time.or(evidence.last_commit_at);
    findings.reached(restore.plan.recovers_to);
    Ok(Server {
        programs: rehearsed.programs,
        dir: lair.data(),
        sockets: result.socket_dir.unwrap_or_default().into(),
        port: result.port.unwrap_or_default(),
        superuser: rehearsed.superuser,
    })
}

/// What is known before anything is restored, of a drill that fails there too.
fn note(findings: &mut Findings, plan: &RestorePlan) {
    let evidence = &mut findings.evidence;
    evidence.backup = Some(plan.backup);
    evidence.lineage = Some(plan.lineage);
    evidence.timeline = Some(plan.timeline);
    evidence.server_version = Some(plan.server_version);
    evidence.database_bytes = Some(plan.database_bytes);
    evidence.last_commit_at = plan.last_commit_at;
}

/// What is asked of the restore, and its plan. The first one tells which release the
/// server is of and which tablespaces it has: each of them gets a place of its own, for
/// where it was another server may have its data (I-12).
async fn plan(
    work: &DrillWork,
    (host, lair): (&Host, &Lair),
) -> Result<(RestoreRequest, RestorePlan), Stopped> {
    let mut request = RestoreRequest {
        cluster: work.order.cluster.clone(),
        at: work.order.at.clone(),
        exclusive: false,
        // Whoever does it: nobody looks at the name.
        agent: work.order.cluster.clone(),
        dir: lair.data().display().to_string(),
        repository: None,
        start: true,
        port: None,
        set: BTreeMap::new(),
        action: TargetAction::Promote,
        tablespace_map: BTreeMap::new(),
        delta: false,
        force: false,
        checks: Vec::new(),
        hooks: Vec::new(),
    };
    let ask = |request: &RestoreRequest| PlanRequest {
        request_id: 0,
        repository: work.repository.clone(),
        request: request.clone(),
        frontier: work.frontier,
        traceparent: None,
    };
    let first = restore::plan(ask(&request), host).await?;
    request.set = restore::settings_for(first.server_version);
    if first.tablespaces.is_empty() {
        return Ok((request, first));
    }
    for tablespace in &first.tablespaces {
        let place = lair.place(&format!("t{}", tablespace.oid));
        let place = place.display().to_string();
        request
            .tablespace_map
            .insert(tablespace.from.clone(), place);
    }
    let second = restore::plan(ask(&request), host).await?;
    Ok((request, second))
}
