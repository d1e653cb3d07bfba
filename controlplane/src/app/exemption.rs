//! Exemptions: asked for, consented to by another, and ended.

use holdfast_state::command::{EndExemption, GrantExemption};
use holdfast_state::query::{self, ExemptionFilter, Page, PageRequest};
use holdfast_state::schema;
use holdfast_types::access::Permission;
use holdfast_types::{ExemptionId, Name};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::App;
use super::backup::refuse_below;
use super::caller::Caller;
use super::error::{AppError, Result};

/// An excuse from an RPO, for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Exemption)]
pub struct ExemptionView {
    /// Its id.
    #[schema(value_type = String)]
    pub id: ExemptionId,
    /// Of which cluster.
    #[schema(value_type = String)]
    pub cluster: Name,
    /// Why.
    pub reason: String,
    /// Who asked for it: `user:ada`.
    pub requested_by: String,
    /// Who consented.
    pub approved_by: Vec<String>,
    /// Since when.
    pub granted_at: Timestamp,
    /// When it ends by itself.
    pub until: Timestamp,
    /// When it was ended before.
    pub ended_at: Option<Timestamp>,
    /// By whom.
    pub ended_by: Option<String>,
    /// Whether it excuses now.
    pub in_force: bool,
}

impl From<query::ExemptionView> for ExemptionView {
    fn from(found: query::ExemptionView) -> Self {
        let in_force = found.ended_at.is_none() && found.until > Timestamp::now();
        Self {
            id: found.id,
            cluster: found.cluster,
            reason: found.reason,
            requested_by: found.requested_by.to_string(),
            approved_by: found.approved_by.iter().map(ToString::to_string).collect(),
            granted_at: found.granted_at,
            until: found.until,
            ended_at: found.ended_at,
            ended_by: found.ended_by.map(|by| by.to_string()),
            in_force,
        }
    }
}

impl App {
    /// One page of exemptions, the latest first.
    pub async fn exemptions(
        &self,
        by: &Caller,
        (cluster, in_force): (Option<Name>, bool),
        page: &PageRequest,
    ) -> Result<Page<ExemptionView>> {
        let view = self.read(by).await?;
        let filter = ExemptionFilter {
            cluster,
            in_force_at: in_force.then(Timestamp::now),
            visible: self.visible(&view, by, Permission::ClustersRead).await?,
        };
        let found = query::exemptions(view.connection(), &filter, page).await?;
        Ok(found.map(ExemptionView::from))
    }

    /// Asks for an exemption. Another person must consent, so that it always becomes a
    /// request for approval; what is wrong with it is said at once.
    pub async fn request_exemption(
        &self,
        by: &Caller,
        cluster: Name,
        (until, reason): (Timestamp, String),
    ) -> Result<ExemptionView> {
        let view = self.node.read().await?;
        self.demand_at(&view, by, Permission::ClustersWrite, &cluster)
            .await?;
        refuse_below(&view, schema::COMPLIANCE).await?;
        let exemption = ExemptionId::from_uuid(Uuid::now_v7());
        let by = Caller {
            reason: by.reason.clone().or_else(|| Some(reason.clone())),
            ..by.clone()
        };
        let command = GrantExemption {
            exemption,
            cluster,
            until,
            reason,
        };
        self.propose_or_ask(&by, command).await?;
        self.exemption(&by, exemption).await
    }

    /// Ends an exemption before its time.
    pub async fn end_exemption(&self, by: &Caller, id: ExemptionId) -> Result<ExemptionView> {
        let view = self.node.read().await?;
        let unseen = || AppError::not_found("exemption", id);
        let found = query::exemption(view.connection(), id).await?;
        let found = found.ok_or_else(unseen)?;
        let needs = (Permission::ClustersWrite, Permission::ClustersRead);
        self.demand_of(&view, by, needs, &found.cluster, unseen)
            .await?;
        self.propose(by, EndExemption { exemption: id }).await?;
        self.exemption(by, id).await
    }

    async fn exemption(&self, by: &Caller, id: ExemptionId) -> Result<ExemptionView> {
        let view = self.read(by).await?;
        let found = query::exemption(view.connection(), id).await?;
        let found = found.ok_or_else(|| AppError::not_found("exemption", id))?;
        Ok(found.into())
    }
}
