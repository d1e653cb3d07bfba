//! Exposure.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use holdfast_types::Name;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::resources::labels_of;
use crate::api::body::Params;
use crate::api::error::{ApiError, Problems};
use crate::api::page::{List, PageParams};
use crate::app::caller::Caller;
use crate::app::error::AppError;
use crate::app::{App, ClusterOverview};
use crate::plan::exposure::ExposureView;
use crate::plan::overview::{Choice, Order};

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(exposure_list))
        .routes(routes!(overview_show))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ExposureParams {
    /// Only this cluster; 404 when there is none.
    #[param(value_type = Option<String>)]
    cluster: Option<Name>,
    /// Only clusters of this fleet.
    #[param(value_type = Option<String>)]
    fleet: Option<Name>,
    /// At most this many items, 1 to 1000; 100 when it is not said.
    limit: Option<u64>,
    /// Where the page before ended: its `nextCursor`.
    cursor: Option<String>,
}

/// Who would lose how much right now, and why
#[utoipa::path(get, path = "/api/v1/exposure", operation_id = "exposure_list", tag = "exposure", params(ExposureParams),
    responses((status = 200, description = "Exposure by cluster", body = List<ExposureView>), Problems))]
async fn exposure_list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Params(params): Params<ExposureParams>,
) -> Result<Json<List<ExposureView>>, ApiError> {
    let page = PageParams::page(params.limit, params.cursor)?;
    let found = app.exposure(&caller, params.cluster.as_ref(), params.fleet, &page);
    Ok(Json(found.await?.into()))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct OverviewParams {
    /// Only in one of these states, such as `VIOLATED,UNPROTECTED`; `NONE` is without a
    /// verdict.
    #[param(example = "VIOLATED,UNPROTECTED")]
    status: Option<String>,
    /// Only clusters of this fleet.
    #[param(value_type = Option<String>)]
    fleet: Option<Name>,
    /// Only with these labels: `tier=gold,team=payments`.
    label: Option<String>,
    /// Only those that this policy is in force for.
    #[param(value_type = Option<String>)]
    policy: Option<Name>,
    /// Only with this in the name.
    text: Option<String>,
    /// `exposure`: who would lose most first; `rpo`: who would lose most of what may be
    /// lost; or `name`. By exposure when it is not said.
    sort: Option<String>,
    /// At most this many items, 1 to 1000; 100 when it is not said.
    limit: Option<u64>,
    /// Where the page before ended: its `nextCursor`.
    cursor: Option<String>,
}

impl OverviewParams {
    fn choice(&self) -> Result<Choice, AppError> {
        let statuses = self.status.iter().flat_map(|all| all.split(','));
        let statuses = statuses.map(|word| match word {
            "NONE" => Ok(None),
            word => word.parse().map(Some).map_err(|_| {
                let message = format!("\"{word}\" is no state of a cluster");
                AppError::invalid("status", message)
            }),
        });
        let order = match self.sort.as_deref() {
            None | Some("exposure") => Order::Exposure,
            Some("rpo") => Order::Rpo,
            Some("name") => Order::Name,
            Some(other) => {
                let message = format!("\"{other}\" is no order: it is exposure, rpo or name");
                return Err(AppError::invalid("sort", message));
            }
        };
        Ok(Choice {
            statuses: statuses.collect::<Result<_, _>>()?,
            fleet: self.fleet.clone(),
            labels: labels_of(self.label.as_deref())?,
            policy: self.policy.clone(),
            text: self.text.as_ref().map(|text| text.to_lowercase()),
            order,
        })
    }
}

/// List clusters with what is known of each, who would lose most first
///
/// With how many there are, and how many in each state.
#[utoipa::path(get, path = "/api/v1/cluster-overview", operation_id = "overview_show", tag = "exposure", params(OverviewParams),
    responses((status = 200, description = "A page of clusters", body = ClusterOverview), Problems))]
async fn overview_show(
    State(app): State<Arc<App>>,
    caller: Caller,
    Params(params): Params<OverviewParams>,
) -> Result<Json<ClusterOverview>, ApiError> {
    let choice = params.choice()?;
    let page = PageParams::page(params.limit, params.cursor)?;
    Ok(Json(app.overview(&caller, &choice, &page).await?))
}
