//! What a change of policies would change, what they said before, what is in
//! force, and which one would do.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use holdfast_types::resource::{Kind, Labels};
use holdfast_types::{ByteSize, Name, Revision, Span};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::resources::{condition, shown};
use crate::api::body::{Body, Params, Segment};
use crate::api::error::{ApiError, Problems};
use crate::api::page::{List, ListParams, PageParams};
use crate::app::caller::Caller;
use crate::app::{App, PolicyInForce, Preview, ResourceView, RevisionView, SuggestionView, Wanted};

/// How many runs a preview shows when nobody says.
const RUNS: usize = 10;

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(policy_preview))
        .routes(routes!(policy_suggest))
        .routes(routes!(policy_history))
        .routes(routes!(policy_revision_show))
        .routes(routes!(policy_rollback))
        .routes(routes!(cluster_policy))
}

/// Documents that are not applied yet.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PolicyPreviewParams {
    /// The documents: policies, and what else would be applied with them.
    #[schema(value_type = Vec<Object>)]
    documents: Vec<Value>,
    /// How many runs of each policy to show, 1000 at most; 10 when it is not said.
    #[serde(default)]
    runs: Option<usize>,
}

/// Show what applying documents would change; nothing is changed
///
/// Every cluster that is affected is named, with what changes for it; each policy
/// among the documents with what it promises, to whom, and what speaks against it.
/// What could not be applied is refused as `apply` would refuse it.
#[utoipa::path(post, path = "/api/v1/policy-previews", operation_id = "policy_preview", tag = "policies",
    request_body = PolicyPreviewParams,
    responses((status = 200, description = "What would change", body = Preview), Problems))]
async fn policy_preview(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(params): Body<PolicyPreviewParams>,
) -> Result<Json<Preview>, ApiError> {
    let runs = params.runs.unwrap_or(RUNS);
    Ok(Json(app.preview(&caller, params.documents, runs).await?))
}

/// What somebody needs.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PolicySuggestParams {
    /// How much may be lost.
    #[schema(value_type = String, example = "30s")]
    rpo: Span,
    /// How long a restore may take.
    #[schema(value_type = String, example = "30m")]
    rto: Span,
    /// How large the database is.
    #[schema(value_type = String, example = "200GiB")]
    size: ByteSize,
    /// How far back any point in time shall be restorable; without it, only the
    /// newest state counts.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "14d")]
    window: Option<Span>,
    /// The name of the policy; `suggested` when it is not said.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    name: Option<Name>,
    /// The labels of the clusters it is for; `policy: NAME` when it is not said.
    #[serde(default)]
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>)]
    selector: Option<Labels>,
    /// Where backups go; the first repository by name when it is not said.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    repository: Option<Name>,
    /// Where they are copied to; nowhere when it is not said.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    copy: Option<Name>,
}

/// Suggest a policy for an RPO, an RTO and a size, with its reasons
///
/// Nothing is applied.
#[utoipa::path(post, path = "/api/v1/policy-suggestions", operation_id = "policy_suggest", tag = "policies",
    request_body = PolicySuggestParams,
    responses((status = 200, description = "A policy with its reasons", body = SuggestionView), Problems))]
async fn policy_suggest(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(params): Body<PolicySuggestParams>,
) -> Result<Json<SuggestionView>, ApiError> {
    let wanted = Wanted {
        name: params.name,
        rpo: params.rpo,
        rto: params.rto,
        size: params.size,
        window: params.window,
        selector: params.selector,
        repository: params.repository,
        copy: params.copy,
    };
    Ok(Json(app.suggest_policy(&caller, wanted).await?))
}

/// What a policy said, the newest revision first
///
/// Also of a policy that was deleted.
#[utoipa::path(get, path = "/api/v1/policies/{name}/history", operation_id = "policy_history", tag = "policies",
    params(("name" = String, Path), ListParams),
    responses((status = 200, description = "Revisions", body = List<RevisionView>), Problems))]
async fn policy_history(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segment(name): Segment<Name>,
    Params(params): Params<ListParams>,
) -> Result<Json<List<RevisionView>>, ApiError> {
    let page = PageParams::page(params.limit, params.cursor)?;
    Ok(Json(
        app.policy_history(&caller, &name, &page).await?.into(),
    ))
}

/// Show a revision of a policy, with its document
#[utoipa::path(get, path = "/api/v1/policies/{name}/history/{revision}", operation_id = "policy_revision_show",
    tag = "policies", params(("name" = String, Path), ("revision" = String, Path, description = "A number, as the history shows it")),
    responses((status = 200, description = "What it said", body = RevisionView), Problems))]
async fn policy_revision_show(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segment((name, revision)): Segment<(Name, u64)>,
) -> Result<Json<RevisionView>, ApiError> {
    let revision = Revision(revision);
    Ok(Json(app.policy_revision(&caller, &name, revision).await?))
}

/// Which revision to go back to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PolicyRollbackParams {
    /// The revision.
    revision: u64,
}

/// Apply again what a policy said at a revision
///
/// It is checked as any document is, and gets a revision of its own. A policy that
/// was deleted comes back.
#[utoipa::path(post, path = "/api/v1/policies/{name}/rollback", operation_id = "policy_rollback", tag = "policies",
    params(("name" = String, Path),
        ("If-Match" = Option<String>, Header, description = "Only when it is at this revision")),
    request_body = PolicyRollbackParams,
    responses((status = 200, description = "As it is now", body = ResourceView), Problems))]
async fn policy_rollback(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segment(name): Segment<Name>,
    headers: HeaderMap,
    Body(params): Body<PolicyRollbackParams>,
) -> Result<Response, ApiError> {
    let (revision, condition) = (Revision(params.revision), condition(&headers)?);
    let written = app
        .roll_back_policy(&caller, &name, revision, condition)
        .await?;
    let view = app
        .resource_written(Kind::Policy, &name, written.revision)
        .await?;
    Ok(shown(StatusCode::OK, view))
}

/// Show the policy in force for a cluster, each field with its origin
#[utoipa::path(get, path = "/api/v1/clusters/{name}/policy", operation_id = "cluster_policy", tag = "policies",
    params(("name" = String, Path)),
    responses((status = 200, description = "What is in force", body = PolicyInForce), Problems))]
async fn cluster_policy(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segment(name): Segment<Name>,
) -> Result<Json<PolicyInForce>, ApiError> {
    Ok(Json(app.policy_in_force(&caller, &name).await?))
}
