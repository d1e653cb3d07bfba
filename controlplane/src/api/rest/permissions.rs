//! What each operation needs, in one table: who asks is let in by it before the
//! operation begins, OpenAPI says it, and an operation that is not in it is nobody's.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use axum::extract::MatchedPath;
use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use holdfast_types::access::Permission::{self, *};
use serde_json::json;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::path::{Operation, PathItem};

use crate::api::error::ApiError;
use crate::app::App;
use crate::app::access::Reach;
use crate::app::access::Reach::{Everything, Something};
use crate::app::caller::Caller;
use crate::app::code::Code;
use crate::app::error::AppError;

/// Where events are followed, which needs no quorum.
const EVENTS: &str = "/api/v1/events";

/// What an operation needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// A permission, and how far it must reach.
    Needs(Permission, Reach),
    /// Nothing for what is the caller's own; for what is others' the permission,
    /// for everything.
    Own(Permission),
    /// Nothing but to be known.
    Anybody,
}

use Rule::{Anybody, Needs, Own};

/// By operation, in order.
pub(super) const RULES: &[(&str, Rule)] = &[
    ("access_show", Anybody),
    ("agent_list", Needs(AgentsRead, Something)),
    ("agent_revoke", Needs(AgentsWrite, Everything)),
    ("agent_show", Needs(AgentsRead, Something)),
    ("agent_token_create", Needs(AgentsWrite, Everything)),
    ("alarm_acknowledge", Needs(AlarmsWrite, Something)),
    ("alarm_list", Needs(AlarmsRead, Something)),
    ("alarm_show", Needs(AlarmsRead, Something)),
    // Each document needs what its kind does; whoever applies any declares clusters.
    ("apply", Needs(ClustersWrite, Something)),
    ("approval_approve", Needs(ApprovalsVote, Something)),
    ("approval_cancel", Own(AccessWrite)),
    ("approval_list", Own(ApprovalsRead)),
    ("approval_reject", Needs(ApprovalsVote, Something)),
    ("approval_show", Own(ApprovalsRead)),
    ("audit_list", Needs(AuditRead, Everything)),
    ("auth_logout", Anybody),
    ("backup_copy", Needs(BackupsWrite, Something)),
    ("backup_delete", Needs(BackupsDelete, Something)),
    ("backup_dependents", Needs(BackupsRead, Something)),
    ("backup_hold", Needs(BackupsWrite, Something)),
    ("backup_list", Needs(BackupsRead, Something)),
    ("backup_release", Needs(BackupsDelete, Something)),
    ("backup_show", Needs(BackupsRead, Something)),
    ("backup_start", Needs(BackupsWrite, Something)),
    ("cluster_delete", Needs(ClustersWrite, Something)),
    ("cluster_list", Needs(ClustersRead, Something)),
    ("cluster_policy", Needs(PoliciesRead, Something)),
    ("cluster_put", Needs(ClustersWrite, Something)),
    ("cluster_schedule", Needs(ClustersRead, Something)),
    ("cluster_show", Needs(ClustersRead, Something)),
    ("compliance_list", Needs(ClustersRead, Something)),
    ("compliance_show", Needs(ClustersRead, Something)),
    ("coverage_show", Needs(BackupsRead, Something)),
    ("delivery_list", Needs(ChannelsRead, Everything)),
    ("drill_list", Needs(DrillsRead, Something)),
    ("drill_plan_delete", Needs(PoliciesWrite, Everything)),
    ("drill_plan_list", Needs(PoliciesRead, Something)),
    ("drill_plan_put", Needs(PoliciesWrite, Everything)),
    ("drill_plan_show", Needs(PoliciesRead, Something)),
    ("drill_show", Needs(DrillsRead, Something)),
    ("drill_start", Needs(DrillsWrite, Something)),
    ("dump_restore_start", Needs(RestoresWrite, Something)),
    ("event_stream", Needs(ClustersRead, Something)),
    ("exemption_create", Needs(ClustersWrite, Something)),
    ("exemption_end", Needs(ClustersWrite, Something)),
    ("exemption_list", Needs(ClustersRead, Something)),
    ("expiry_show", Needs(BackupsRead, Something)),
    ("exposure_list", Needs(ClustersRead, Something)),
    ("fleet_delete", Needs(FleetsWrite, Everything)),
    ("fleet_list", Needs(ClustersRead, Something)),
    ("fleet_put", Needs(FleetsWrite, Everything)),
    ("fleet_show", Needs(ClustersRead, Something)),
    ("job_cancel", Needs(JobsWrite, Something)),
    ("job_list", Needs(JobsRead, Something)),
    ("job_logs", Needs(JobsRead, Something)),
    ("job_show", Needs(JobsRead, Something)),
    ("late_result_list", Needs(JobsRead, Something)),
    ("metrics_show", Needs(NodesRead, Everything)),
    ("node_lead", Needs(NodesWrite, Everything)),
    ("node_list", Needs(NodesRead, Everything)),
    ("node_removal_show", Needs(NodesRead, Everything)),
    ("node_remove", Needs(NodesWrite, Everything)),
    ("node_show", Needs(NodesRead, Everything)),
    ("node_token_create", Needs(NodesWrite, Everything)),
    (
        "notification_channel_delete",
        Needs(ChannelsWrite, Everything),
    ),
    ("notification_channel_list", Needs(ChannelsRead, Everything)),
    ("notification_channel_put", Needs(ChannelsWrite, Everything)),
    ("notification_channel_show", Needs(ChannelsRead, Everything)),
    (
        "notification_channel_test",
        Needs(ChannelsWrite, Everything),
    ),
    ("openapi_show", Anybody),
    ("overview_show", Needs(ClustersRead, Something)),
    ("policy_delete", Needs(PoliciesWrite, Everything)),
    ("policy_history", Needs(PoliciesRead, Something)),
    ("policy_list", Needs(PoliciesRead, Something)),
    // It names every cluster that would be affected, and each document needs what its
    // kind does, as where it is applied.
    ("policy_preview", Needs(PoliciesWrite, Everything)),
    ("policy_put", Needs(PoliciesWrite, Everything)),
    ("policy_revision_show", Needs(PoliciesRead, Something)),
    ("policy_rollback", Needs(PoliciesWrite, Everything)),
    ("policy_show", Needs(PoliciesRead, Something)),
    ("policy_suggest", Needs(PoliciesRead, Something)),
    ("recoverability_show", Needs(BackupsRead, Something)),
    // And the audit log, of the whole fleet.
    ("report_create", Needs(AuditRead, Something)),
    ("report_key_list", Anybody),
    ("report_list", Needs(AuditRead, Something)),
    ("repository_delete", Needs(RepositoriesWrite, Everything)),
    ("repository_findings", Needs(RepositoriesRead, Something)),
    ("repository_key_export", Needs(KeysExport, Everything)),
    ("repository_list", Needs(RepositoriesRead, Something)),
    ("repository_put", Needs(RepositoriesWrite, Everything)),
    ("repository_show", Needs(RepositoriesRead, Something)),
    ("restore_cancel", Needs(RestoresWrite, Something)),
    ("restore_list", Needs(RestoresRead, Something)),
    ("restore_plan", Needs(RestoresWrite, Something)),
    ("restore_show", Needs(RestoresRead, Something)),
    ("restore_start", Needs(RestoresWrite, Something)),
    ("role_binding_delete", Needs(AccessWrite, Everything)),
    ("role_binding_list", Needs(AccessRead, Everything)),
    ("role_binding_put", Needs(AccessWrite, Everything)),
    ("role_binding_show", Needs(AccessRead, Everything)),
    ("role_delete", Needs(AccessWrite, Everything)),
    ("role_list", Anybody),
    ("role_put", Needs(AccessWrite, Everything)),
    ("role_show", Anybody),
    ("run_list", Needs(JobsRead, Something)),
    ("scan_create", Needs(ScansWrite, Everything)),
    ("secret_delete", Needs(SecretsWrite, Everything)),
    ("secret_list", Needs(SecretsRead, Everything)),
    ("secret_set", Needs(SecretsWrite, Everything)),
    ("silence_create", Needs(AlarmsWrite, Something)),
    ("silence_delete", Needs(AlarmsWrite, Something)),
    ("silence_list", Needs(AlarmsRead, Something)),
    ("state_snapshot_create", Needs(NodesWrite, Everything)),
    ("state_snapshot_list", Needs(NodesRead, Everything)),
    (
        "state_snapshot_settings_delete",
        Needs(NodesWrite, Everything),
    ),
    ("state_snapshot_settings_put", Needs(NodesWrite, Everything)),
    ("state_snapshot_settings_show", Needs(NodesRead, Everything)),
    ("state_snapshot_show", Needs(NodesRead, Everything)),
    ("status_show", Needs(ClustersRead, Something)),
    ("token_create", Anybody),
    ("token_list", Own(UsersRead)),
    ("token_revoke", Own(UsersWrite)),
    // Servers that no cluster declares are in no fleet.
    ("unprotected_heed", Needs(AgentsWrite, Everything)),
    ("unprotected_ignore", Needs(AgentsWrite, Everything)),
    ("unprotected_list", Needs(ClustersRead, Something)),
    ("user_create", Needs(UsersWrite, Everything)),
    ("user_delete", Needs(UsersWrite, Everything)),
    ("user_list", Needs(UsersRead, Everything)),
    ("user_password_set", Own(UsersWrite)),
    ("violation_list", Needs(ClustersRead, Something)),
];

/// The rule of an operation; `None` for one that nobody may call.
pub(super) fn rule_of(operation: &str) -> Option<Rule> {
    let found = RULES.binary_search_by_key(&operation, |(known, _)| known);
    found.ok().map(|index| RULES[index].1)
}

/// The operations behind the gate by method and path, each with its rule if it has
/// one, and their paths.
struct Known {
    rules: HashMap<(Method, String), Option<Rule>>,
    paths: HashSet<String>,
}

fn known() -> &'static Known {
    static KNOWN: OnceLock<Known> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let (mut rules, mut paths) = (HashMap::new(), HashSet::new());
        for (path, item) in super::guarded_paths() {
            for (method, operation) in operations(&item) {
                let id = operation.operation_id.as_deref().unwrap_or_default();
                rules.insert((method, path.clone()), rule_of(id));
            }
            paths.insert(path);
        }
        Known { rules, paths }
    })
}

fn operations(item: &PathItem) -> Vec<(Method, &Operation)> {
    let all = [
        (Method::GET, &item.get),
        (Method::PUT, &item.put),
        (Method::POST, &item.post),
        (Method::DELETE, &item.delete),
    ];
    let there = all.into_iter();
    there
        .filter_map(|(method, operation)| Some((method, operation.as_ref()?)))
        .collect()
}

/// Lets in who may call the operation: behind the gate, which has proved who asks.
pub(super) async fn permit(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let admitted = match wanted(&request) {
        Ok(None) => Ok(()),
        Ok(Some((rule, caller, is_stream))) => match rule {
            // Whoever listens is asked again for each event, by what this node knows.
            Needs(permission, _) if is_stream => app.admit_here(&caller, permission).await,
            Needs(permission, reach) => app.admit(&caller, permission, reach).await,
            Own(_) | Anybody if reads => Ok(()),
            Own(_) | Anybody => app.admit_known(&caller).await,
        },
        Err(refused) => Err(refused),
    };
    match admitted {
        Ok(()) => next.run(request).await,
        Err(refused) => ApiError::from(refused).into_response(),
    }
}

/// The rule that a request has to meet, who makes it, and whether it follows events;
/// `None` of one that the router itself refuses.
fn wanted(request: &Request) -> Result<Option<(Rule, Caller, bool)>, AppError> {
    let nobodys = || AppError::new(Code::FORBIDDEN, "nobody may call this operation");
    let path = request.extensions().get::<MatchedPath>();
    let path = path
        .map(MatchedPath::as_str)
        .ok_or_else(nobodys)?
        .to_owned();
    // A HEAD is answered as the GET is.
    let method = match request.method() {
        &Method::HEAD => Method::GET,
        other => other.clone(),
    };
    let is_stream = path == EVENTS;
    let known = known();
    let rule = match known.rules.get(&(method, path.clone())) {
        Some(rule) => rule.ok_or_else(nobodys)?,
        // The router says itself that a path does not take a method.
        None if known.paths.contains(&path) => return Ok(None),
        None => return Err(nobodys()),
    };
    let caller = request.extensions().get::<Caller>().cloned();
    let caller = caller.ok_or_else(|| AppError::failed("a request passed no gate"))?;
    Ok(Some((rule, caller, is_stream)))
}

/// Says of the operations of a path what they need.
pub(super) fn describe(item: &mut PathItem) {
    let all = [
        &mut item.get,
        &mut item.put,
        &mut item.post,
        &mut item.delete,
    ];
    for operation in all.into_iter().flatten() {
        let id = operation.operation_id.as_deref().unwrap_or_default();
        let (word, reach) = match rule_of(id) {
            Some(Needs(permission, Everything)) => (permission.as_str(), "everything"),
            Some(Needs(permission, Something)) => (permission.as_str(), "scope"),
            Some(Own(permission)) => (permission.as_str(), "own"),
            Some(Anybody) | None => continue,
        };
        // One: several would come in another order each time.
        let access = json!({"permission": word, "reach": reach});
        let said = ExtensionsBuilder::new()
            .add("x-holdfast-access", access)
            .build();
        operation.extensions = Some(said);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_operation_behind_the_gate_has_one_rule() {
        assert!(RULES.is_sorted_by_key(|(id, _)| *id));
        let ruled: BTreeSet<&str> = RULES.iter().map(|(id, _)| *id).collect();
        assert_eq!(ruled.len(), RULES.len());
        let mut there = BTreeSet::new();
        for (_, item) in super::super::guarded_paths() {
            for (_, operation) in operations(&item) {
                there.insert(operation.operation_id.clone().unwrap());
            }
            let others = [&item.patch, &item.head, &item.options, &item.trace];
            assert!(others.iter().all(|other| other.is_none()));
        }
        let there: BTreeSet<&str> = there.iter().map(String::as_str).collect();
        assert_eq!(there, ruled);
    }
}
