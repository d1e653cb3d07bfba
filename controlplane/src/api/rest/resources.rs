//! Declared resources: repositories, fleets, clusters, policies, drill plans.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use holdfast_state::command::Deleted;
use holdfast_state::query::ResourceFilter;
use holdfast_types::resource::{self, Kind, Labels, Metadata};
use holdfast_types::{Name, Revision, Secret};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::body::{Body, Params, Segment};
use crate::api::error::{ApiError, Problems};
use crate::api::page::{List, PageParams};
use crate::api::request::header;
use crate::app::caller::Caller;
use crate::app::code::Code;
use crate::app::error::AppError;
use crate::app::{App, ApplyAction, Condition, ResourceView};

/// What became of something that was to go.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Removed {
    /// Its name.
    name: String,
    /// `deleted`, `retired` (a cluster whose backups stay) or `revoked`.
    action: &'static str,
}

impl Removed {
    pub(super) fn deleted(name: impl ToString) -> Self {
        let (name, action) = (name.to_string(), "deleted");
        Self { name, action }
    }

    pub(super) fn revoked(name: impl ToString) -> Self {
        let (name, action) = (name.to_string(), "revoked");
        Self { name, action }
    }
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ResourceParams {
    /// Only with these labels: `tier=gold,team=payments`.
    label: Option<String>,
    /// Only of this fleet.
    #[param(value_type = Option<String>)]
    fleet: Option<Name>,
    /// Also retired clusters.
    #[serde(default)]
    retired: bool,
    /// At most this many items, 1 to 1000; 100 when it is not said.
    limit: Option<u64>,
    /// Where the page before ended: its `nextCursor`.
    cursor: Option<String>,
}

impl ResourceParams {
    fn filter(&self) -> Result<ResourceFilter, AppError> {
        Ok(ResourceFilter {
            labels: labels_of(self.label.as_deref())?,
            fleet: self.fleet.clone(),
            retired: self.retired,
            ..ResourceFilter::default()
        })
    }
}

/// The labels of a filter such as `tier=gold,team=payments`.
pub(super) fn labels_of(label: Option<&str>) -> Result<Labels, AppError> {
    let mut labels = Labels::new();
    for pair in label.iter().flat_map(|label| label.split(',')) {
        let (key, value) = pair
            .split_once('=')
            .ok_or_else(|| AppError::invalid("label", format!("\"{pair}\" is not key=value")))?;
        labels.insert(key.to_owned(), value.to_owned());
    }
    Ok(labels)
}

pub(super) fn condition(headers: &HeaderMap) -> Result<Condition, AppError> {
    let malformed = |name: &str| {
        let message = format!("{name} is a revision such as \"42\"");
        AppError::new(Code::MALFORMED_HEADER, message)
    };
    let given = |name: &axum::http::HeaderName| header(headers, name.as_str());
    match (given(&IF_MATCH), given(&IF_NONE_MATCH).as_deref()) {
        (None, None) => Ok(Condition::Any),
        (None, Some("*")) => Ok(Condition::Absent),
        (None, Some(_)) => {
            let message = "If-None-Match takes * alone, to create only";
            Err(AppError::new(Code::MALFORMED_HEADER, message))
        }
        (Some(_), Some(_)) => {
            let message = "If-Match and If-None-Match exclude each other";
            Err(AppError::new(Code::MALFORMED_HEADER, message))
        }
        (Some(revision), None) => {
            let number = revision.trim().trim_matches('"').parse();
            let number = number.map_err(|_| malformed("If-Match"))?;
            Ok(Condition::Revision(Revision(number)))
        }
    }
}

pub(super) fn shown(status: StatusCode, view: ResourceView) -> Response {
    let etag = format!("\"{}\"", view.status.revision);
    (status, [(ETAG, etag)], Json(view)).into_response()
}

async fn list(
    app: &App,
    caller: &Caller,
    kind: Kind,
    params: ResourceParams,
) -> Result<Json<List<ResourceView>>, ApiError> {
    let filter = params.filter()?;
    let page = PageParams::page(params.limit, params.cursor)?;
    Ok(Json(
        app.resources(caller, kind, &filter, &page).await?.into(),
    ))
}

async fn put(
    app: &App,
    caller: &Caller,
    (kind, name): (Kind, Name),
    headers: &HeaderMap,
    document: Value,
) -> Result<Response, ApiError> {
    let condition = condition(headers)?;
    let written = app.put(caller, kind, &name, document, condition).await?;
    let status = match written.action {
        ApplyAction::Created => StatusCode::CREATED,
        ApplyAction::Configured | ApplyAction::Unchanged => StatusCode::OK,
    };
    let shows = app.resource_written(kind, &name, written.revision).await?;
    Ok(shown(status, shows))
}

async fn delete(
    app: &App,
    caller: &Caller,
    (kind, name): (Kind, Name),
    headers: &HeaderMap,
) -> Result<Json<Removed>, ApiError> {
    let expected = match condition(headers)? {
        Condition::Revision(revision) => Some(revision),
        Condition::Any | Condition::Absent => None,
    };
    let deleted = app
        .delete_resource(caller, kind, name.clone(), expected)
        .await?;
    let action = match deleted {
        Deleted::Deleted => "deleted",
        Deleted::Retired => "retired",
    };
    let name = name.to_string();
    Ok(Json(Removed { name, action }))
}

/// The handlers of one kind: the same for each, under its own plural.
macro_rules! resource {
    ($module:ident, $kind:expr, $spec:ty, $document:ident, $tag:literal,
     $list_path:literal, $path:literal,
     $list:ident = $list_id:literal, $show:ident = $show_id:literal,
     $put:ident = $put_id:literal, $delete:ident = $delete_id:literal) => {
        mod $module {
            use super::*;

            /// The document that is written.
            // For OpenAPI: reading it is the business of `types::resource`,
            // which names the field at fault.
            #[derive(ToSchema)]
            #[schema(rename_all = "camelCase")]
            #[expect(dead_code, reason = "describes a document, is never made")]
            struct $document {
                /// `holdfast/v1`
                api_version: String,
                /// Its kind.
                kind: Kind,
                /// Name and labels.
                metadata: Metadata,
                /// What it declares.
                spec: $spec,
            }

            pub(super) fn router() -> OpenApiRouter<Arc<App>> {
                OpenApiRouter::new()
                    .routes(routes!($list))
                    .routes(routes!($show, $put, $delete))
            }

            /// List by name
            #[utoipa::path(get, path = $list_path, operation_id = $list_id, tag = $tag, params(ResourceParams),
                responses((status = 200, description = "By name", body = List<ResourceView>), Problems))]
            async fn $list(
                State(app): State<Arc<App>>,
                caller: Caller,
                Params(params): Params<ResourceParams>,
            ) -> Result<Json<List<ResourceView>>, ApiError> {
                list(&app, &caller, $kind, params).await
            }

            /// Show one
            #[utoipa::path(get, path = $path, operation_id = $show_id, tag = $tag,
                params(("name" = String, Path)),
                responses((status = 200, description = "As it is, with its ETag", body = ResourceView), Problems))]
            async fn $show(
                State(app): State<Arc<App>>,
                caller: Caller,
                Segment(name): Segment<Name>,
            ) -> Result<Response, ApiError> {
                Ok(shown(StatusCode::OK, app.resource(&caller, $kind, &name).await?))
            }

            /// Create or replace one
            #[utoipa::path(put, path = $path, operation_id = $put_id, tag = $tag,
                params(("name" = String, Path),
                    ("If-Match" = Option<String>, Header, description = "Only when it is at this revision"),
                    ("If-None-Match" = Option<String>, Header, description = "`*`: only when there is none")),
                request_body = $document,
                responses((status = 200, description = "Replaced, or unchanged", body = ResourceView),
                    (status = 201, description = "Created", body = ResourceView), Problems))]
            async fn $put(
                State(app): State<Arc<App>>,
                caller: Caller,
                Segment(name): Segment<Name>,
                headers: HeaderMap,
                Body(document): Body<Value>,
            ) -> Result<Response, ApiError> {
                put(&app, &caller, ($kind, name), &headers, document).await
            }

            /// Delete one that nothing depends on
            #[utoipa::path(delete, path = $path, operation_id = $delete_id, tag = $tag,
                params(("name" = String, Path),
                    ("If-Match" = Option<String>, Header, description = "Only when it is at this revision")),
                responses((status = 200, description = "What became of it", body = Removed), Problems))]
            async fn $delete(
                State(app): State<Arc<App>>,
                caller: Caller,
                Segment(name): Segment<Name>,
                headers: HeaderMap,
            ) -> Result<Json<Removed>, ApiError> {
                delete(&app, &caller, ($kind, name), &headers).await
            }
        }
    };
}

resource!(
    repositories,
    Kind::Repository,
    resource::Repository,
    RepositoryDocument,
    "repositories",
    "/api/v1/repositories",
    "/api/v1/repositories/{name}",
    repository_list = "repository_list",
    repository_show = "repository_show",
    repository_put = "repository_put",
    repository_delete = "repository_delete"
);
resource!(
    fleets,
    Kind::Fleet,
    resource::Fleet,
    FleetDocument,
    "fleets",
    "/api/v1/fleets",
    "/api/v1/fleets/{name}",
    fleet_list = "fleet_list",
    fleet_show = "fleet_show",
    fleet_put = "fleet_put",
    fleet_delete = "fleet_delete"
);
resource!(
    clusters,
    Kind::Cluster,
    resource::Cluster,
    ClusterDocument,
    "clusters",
    "/api/v1/clusters",
    "/api/v1/clusters/{name}",
    cluster_list = "cluster_list",
    cluster_show = "cluster_show",
    cluster_put = "cluster_put",
    cluster_delete = "cluster_delete"
);
resource!(
    policies,
    Kind::Policy,
    resource::Policy,
    PolicyDocument,
    "policies",
    "/api/v1/policies",
    "/api/v1/policies/{name}",
    policy_list = "policy_list",
    policy_show = "policy_show",
    policy_put = "policy_put",
    policy_delete = "policy_delete"
);

resource!(
    drill_plans,
    Kind::DrillPlan,
    resource::Drill,
    DrillPlanDocument,
    "drill-plans",
    "/api/v1/drill-plans",
    "/api/v1/drill-plans/{name}",
    drill_plan_list = "drill_plan_list",
    drill_plan_show = "drill_plan_show",
    drill_plan_put = "drill_plan_put",
    drill_plan_delete = "drill_plan_delete"
);

resource!(
    role_bindings,
    Kind::RoleBinding,
    resource::RoleBinding,
    RoleBindingDocument,
    "access",
    "/api/v1/role-bindings",
    "/api/v1/role-bindings/{name}",
    role_binding_list = "role_binding_list",
    role_binding_show = "role_binding_show",
    role_binding_put = "role_binding_put",
    role_binding_delete = "role_binding_delete"
);

resource!(
    notification_channels,
    Kind::NotificationChannel,
    resource::NotificationChannel,
    NotificationChannelDocument,
    "alarms",
    "/api/v1/notification-channels",
    "/api/v1/notification-channels/{name}",
    notification_channel_list = "notification_channel_list",
    notification_channel_show = "notification_channel_show",
    notification_channel_put = "notification_channel_put",
    notification_channel_delete = "notification_channel_delete"
);

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .merge(repositories::router())
        .merge(fleets::router())
        .merge(clusters::router())
        .merge(policies::router())
        .merge(drill_plans::router())
        .merge(role_bindings::router())
        .merge(notification_channels::router())
        .routes(routes!(repository_key_export))
}

/// The key of a repository.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct KeyView {
    /// The repository.
    repository: String,
    /// 64 hexadecimal characters.
    #[schema(value_type = String)]
    key: Secret,
}

/// Show the key of a repository; the audit log records it
#[utoipa::path(post, path = "/api/v1/repositories/{name}/key/export", operation_id = "repository_key_export",
    tag = "repositories", params(("name" = String, Path)),
    responses((status = 200, description = "The key", body = KeyView), Problems))]
async fn repository_key_export(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segment(name): Segment<Name>,
) -> Result<Json<KeyView>, ApiError> {
    let repository = name.to_string();
    let key = app.export_key(&caller, name).await?;
    Ok(Json(KeyView { repository, key }))
}
