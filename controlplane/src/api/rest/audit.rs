//! The audit log.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use holdfast_state::Principal;
use holdfast_state::audit::AuditView;
use holdfast_state::query::AuditFilter;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::body::Params;
use crate::api::error::{ApiError, Problems};
use crate::api::page::{List, PageParams};
use crate::app::App;
use crate::app::caller::Caller;
use crate::app::error::AppError;

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(audit_list))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AuditParams {
    /// Who: `user:admin`, `token:ci`, `agent:db1`, `node:node-1`.
    principal: Option<String>,
    /// What, such as `create_job`.
    action: Option<String>,
    /// To what, such as `clusters/orders`.
    target: Option<String>,
    /// Not before this.
    since: Option<Timestamp>,
    /// Before this.
    until: Option<Timestamp>,
    /// At most this many items, 1 to 1000; 100 when it is not said.
    limit: Option<u64>,
    /// Where the page before ended: its `nextCursor`.
    cursor: Option<String>,
}

/// A row of the audit log.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct AuditRow {
    /// Its number, from 1 without a hole.
    seq: u64,
    /// When.
    at: Timestamp,
    /// Who.
    principal: String,
    /// What.
    action: String,
    /// To what.
    target: String,
    /// `accepted`, or the code of the refusal.
    outcome: String,
    /// In which request.
    request_id: String,
    /// From where.
    remote: Option<String>,
    /// What else there is to say.
    #[schema(value_type = Object)]
    detail: Value,
    /// SHA-256 that chains this row to the one before.
    hash: String,
}

impl From<AuditView> for AuditRow {
    fn from(row: AuditView) -> Self {
        Self {
            seq: row.seq,
            at: row.at,
            principal: row.principal.to_string(),
            action: row.action,
            target: row.target,
            outcome: row.outcome,
            request_id: row.request.to_string(),
            remote: row.remote,
            detail: row.detail,
            hash: row.hash.to_string(),
        }
    }
}

/// List what was done, newest first
#[utoipa::path(get, path = "/api/v1/audit", operation_id = "audit_list", tag = "audit", params(AuditParams),
    responses((status = 200, description = "Rows of the audit log", body = List<AuditRow>), Problems))]
async fn audit_list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Params(params): Params<AuditParams>,
) -> Result<Json<List<AuditRow>>, ApiError> {
    let principal = params.principal.as_deref().map(str::parse::<Principal>);
    let principal = principal
        .transpose()
        .map_err(|error| AppError::invalid("principal", error.to_string()))?;
    let filter = AuditFilter {
        principal,
        action: params.action,
        target: params.target,
        since: params.since,
        until: params.until,
    };
    let page = PageParams::page(params.limit, params.cursor)?;
    let found = app.audit(&caller, &filter, &page).await?;
    Ok(Json(found.map(AuditRow::from).into()))
}
