//! Agents and their join tokens.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use holdfast_types::{Name, Secret, Span};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::body::{Body, Params, Segment};
use crate::api::error::{ApiError, Problems};
use crate::api::page::{List, ListParams, PageParams};
use crate::app::caller::Caller;
use crate::app::{AgentView, App};

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(agent_list))
        .routes(routes!(agent_token_create))
        .routes(routes!(agent_show))
        .routes(routes!(agent_revoke))
}

/// A join token that is wanted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct JoinTokenParams {
    /// How long it is good for; 1 h when it is not said.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "1h")]
    ttl: Option<Span>,
    /// The region of the agent that enrols with it.
    #[serde(default)]
    region: Option<String>,
}

/// A join token; it is shown once.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct JoinTokenView {
    /// The token.
    #[schema(value_type = String, example = "hfj1.jtk_….….…")]
    token: Secret,
    /// When it ends.
    expires_at: Timestamp,
}

/// Make a token with which one agent enrols
#[utoipa::path(post, path = "/api/v1/agents/tokens", operation_id = "agent_token_create", tag = "agents",
    request_body = JoinTokenParams,
    responses((status = 201, description = "The token, shown once", body = JoinTokenView), Problems))]
async fn agent_token_create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(params): Body<JoinTokenParams>,
) -> Result<(StatusCode, Json<JoinTokenView>), ApiError> {
    let made = app
        .create_join_token(&caller, params.ttl, params.region)
        .await?;
    let view = JoinTokenView {
        token: made.token,
        expires_at: made.expires_at,
    };
    Ok((StatusCode::CREATED, Json(view)))
}

/// List agents
#[utoipa::path(get, path = "/api/v1/agents", operation_id = "agent_list", tag = "agents", params(ListParams),
    responses((status = 200, description = "Agents by name", body = List<AgentView>), Problems))]
async fn agent_list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Params(params): Params<ListParams>,
) -> Result<Json<List<AgentView>>, ApiError> {
    let page = PageParams::page(params.limit, params.cursor)?;
    Ok(Json(app.agents(&caller, &page).await?.into()))
}

/// Show an agent
#[utoipa::path(get, path = "/api/v1/agents/{name}", operation_id = "agent_show", tag = "agents",
    params(("name" = String, Path)),
    responses((status = 200, description = "The agent", body = AgentView), Problems))]
async fn agent_show(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segment(name): Segment<Name>,
) -> Result<Json<AgentView>, ApiError> {
    Ok(Json(app.agent(&caller, &name).await?))
}

/// Revoke an agent: its session ends and its certificate counts no more
#[utoipa::path(post, path = "/api/v1/agents/{name}/revoke", operation_id = "agent_revoke", tag = "agents",
    params(("name" = String, Path)),
    responses((status = 200, description = "The agent", body = AgentView), Problems))]
async fn agent_revoke(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segment(name): Segment<Name>,
) -> Result<Json<AgentView>, ApiError> {
    app.revoke_agent(&caller, name.clone()).await?;
    Ok(Json(app.agent(&caller, &name).await?))
}
