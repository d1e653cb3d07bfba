//! The control plane's own nodes.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use holdfast_types::{Secret, Span};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::body::{Body, Segment};
use crate::api::error::{ApiError, Problems};
use crate::api::page::List;
use crate::app::caller::Caller;
use crate::app::{App, NodeRemovalView, NodeView, QuorumView};

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(node_list))
        .routes(routes!(node_token_create))
        .routes(routes!(node_show, node_remove))
        .routes(routes!(node_removal_show))
        .routes(routes!(node_lead))
}

/// A node token that is wanted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NodeTokenParams {
    /// How long it is good for; 1 h when it is not said.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "1h")]
    ttl: Option<Span>,
}

/// A node token; it is shown once.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct NodeTokenView {
    /// The token, for `holdfastd join --token`.
    #[schema(value_type = String, example = "hfj1.ntk_….….…")]
    token: Secret,
    /// When it ends.
    expires_at: Timestamp,
}

/// Make a token with which one node joins
#[utoipa::path(post, path = "/api/v1/nodes/tokens", operation_id = "node_token_create", tag = "nodes",
    request_body = NodeTokenParams,
    responses((status = 201, description = "The token, shown once", body = NodeTokenView), Problems))]
async fn node_token_create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(params): Body<NodeTokenParams>,
) -> Result<(StatusCode, Json<NodeTokenView>), ApiError> {
    let made = app.create_node_token(&caller, params.ttl).await?;
    let view = NodeTokenView {
        token: made.token,
        expires_at: made.expires_at,
    };
    Ok((StatusCode::CREATED, Json(view)))
}

/// List the nodes of the control plane
#[utoipa::path(get, path = "/api/v1/nodes", operation_id = "node_list", tag = "nodes",
    responses((status = 200, description = "Nodes by id", body = List<NodeView>), Problems))]
async fn node_list(
    State(app): State<Arc<App>>,
    caller: Caller,
) -> Result<Json<List<NodeView>>, ApiError> {
    Ok(Json(app.nodes(&caller).await?.into()))
}

/// Show a node, by id or name
#[utoipa::path(get, path = "/api/v1/nodes/{node}", operation_id = "node_show", tag = "nodes",
    params(("node" = String, Path, description = "Its id or name")),
    responses((status = 200, description = "The node", body = NodeView), Problems))]
async fn node_show(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segment(node): Segment<String>,
) -> Result<Json<NodeView>, ApiError> {
    Ok(Json(app.node(&caller, &node).await?))
}

/// Show what removing a node would leave
#[utoipa::path(get, path = "/api/v1/nodes/{node}/removal", operation_id = "node_removal_show", tag = "nodes",
    params(("node" = String, Path, description = "Its id or name")),
    responses((status = 200, description = "The quorum there would be", body = QuorumView), Problems))]
async fn node_removal_show(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segment(node): Segment<String>,
) -> Result<Json<QuorumView>, ApiError> {
    Ok(Json(app.node_removal(&caller, &node).await?))
}

/// Remove a node; refused when no quorum would be left, answered with the one that is
#[utoipa::path(delete, path = "/api/v1/nodes/{node}", operation_id = "node_remove", tag = "nodes",
    params(("node" = String, Path, description = "Its id or name")),
    responses((status = 202, description = "It is leaving", body = NodeRemovalView), Problems))]
async fn node_remove(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segment(node): Segment<String>,
) -> Result<(StatusCode, Json<NodeRemovalView>), ApiError> {
    let left = app.remove_node(&caller, &node).await?;
    Ok((StatusCode::ACCEPTED, Json(left)))
}

/// Make a node lead
#[utoipa::path(post, path = "/api/v1/nodes/{node}/lead", operation_id = "node_lead", tag = "nodes",
    params(("node" = String, Path, description = "Its id or name")),
    responses((status = 200, description = "The node", body = NodeView), Problems))]
async fn node_lead(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segment(node): Segment<String>,
) -> Result<Json<NodeView>, ApiError> {
    Ok(Json(app.lead(&caller, &node).await?))
}
