//! Restores: planned by the agent that will do them, begun as planned, and moved on by
//! the leader until they are handed over.

mod copies;
mod order;
pub(crate) mod register;
mod view;
mod wanted;

pub use view::{RestorePlanView, RestoreView};
pub use wanted::WantedRestore;

use holdfast_consensus::{ProposeContext, StateView};
use holdfast_proto::ReportedFrontier;
use holdfast_state::command::{Asked, BeginRestore, CancelRestore, PlanRestore};
use holdfast_state::query::{self, Page, PageRequest, RestoreFilter};
use holdfast_state::{Digest, Refusal, schema};
use holdfast_types::access::Permission;
use holdfast_types::drill::DrillPoint;
use holdfast_types::restoring::{RestoreOrder, RestoreState};
use holdfast_types::{ApprovalId, JobId, Name, RestoreId};
use jiff::Timestamp;
use uuid::Uuid;

use super::App;
use super::backup::refuse_below;
use super::caller::Caller;
use super::drill::WantedDrill;
use super::error::{AppError, Result};
use super::job::{JobSpec, WorkSpec, job_id_of};

impl App {
    /// Plans a restore, and keeps the plan so that it can be begun as it was shown.
    /// Touches nothing.
    pub async fn plan_restore(
        &self,
        by: &Caller,
        wanted: &WantedRestore,
    ) -> Result<RestorePlanView> {
        wanted.check()?;
        if wanted.rehearse || wanted.plan_hash.is_some() {
            let field = if wanted.rehearse {
                "rehearse"
            } else {
                "planHash"
            };
            return Err(AppError::invalid(field, "a plan has none; leave it out"));
        }
        let view = self.node.read().await?;
        self.may_restore(&view, by, wanted).await?;
        if wanted.needs_rows() {
            refuse_below(&view, schema::RESTORES).await?;
        }
        if wanted.is_looked_at() {
            refuse_below(&view, schema::RESTORE_CHECKS).await?;
        }
        self.may_hand_over(&view, by, wanted).await?;
        let order = self.order_restore(&view, by, wanted).await?;
        let kept = schema::version(view.connection()).await? >= schema::RESTORES;
        let hash = match kept && order.plan.problems.is_empty() {
            true => {
                let id = RestoreId::from_uuid(Uuid::now_v7());
                Some(self.keep_plan(by, id, order.clone()).await?.to_string())
            }
            false => None,
        };
        Ok(RestorePlanView::of(order, hash))
    }

    /// Begins a restore, unless something speaks against it.
    pub async fn start_restore(&self, by: &Caller, wanted: WantedRestore) -> Result<JobId> {
        wanted.check()?;
        let view = self.node.read().await?;
        if wanted.rehearse {
            return self.rehearse_restore(by, wanted).await;
        }
        self.may_restore(&view, by, &wanted).await?;
        let id = match job_id_of(by) {
            // A repeat under its Idempotency-Key finds what it made.
            Some(job) => RestoreId::from_uuid(job.uuid()),
            None => RestoreId::from_uuid(Uuid::now_v7()),
        };
        if let Some(found) = query::restore(view.connection(), id).await? {
            return self.begin(by, &found).await;
        }
        if let Some(job) = self.replayed_job(by).await? {
            return Ok(job);
        }
        if wanted.is_looked_at() {
            refuse_below(&view, schema::RESTORE_CHECKS).await?;
        }
        if schema::version(view.connection()).await? < schema::RESTORES {
            return self.restore_as_job(&view, by, &wanted).await;
        }
        self.may_hand_over(&view, by, &wanted).await?;
        if let Some(hash) = &wanted.plan_hash {
            let found = planned(&view, &wanted, hash).await?;
            return self.begin(by, &found).await;
        }
        if let Some(waiting) = self.waits(&view, by, &wanted).await? {
            return Err(waiting);
        }
        let order = self.order_restore(&view, by, &wanted).await?;
        if let Some(problem) = order.plan.problems.first() {
            return Err(AppError::from_agent(problem.clone()));
        }
        self.keep_plan(by, id, order).await?;
        let view = self.node.read().await?;
        let found = query::restore(view.connection(), id).await?;
        let found = found.ok_or_else(|| AppError::failed("a plan that was just kept"))?;
        self.begin(by, &found).await
    }

    /// One page of restores that were begun, newest first.
    pub async fn restores(
        &self,
        by: &Caller,
        filter: &RestoreFilter,
        page: &PageRequest,
    ) -> Result<Page<RestoreView>> {
        let view = self.read(by).await?;
        let filter = RestoreFilter {
            visible: self.visible(&view, by, Permission::RestoresRead).await?,
            ..filter.clone()
        };
        let found = query::restores(view.connection(), &filter, page).await?;
        Ok(found.map(|restore| RestoreView::of(restore, false)))
    }

    /// One restore with all that is known of it.
    pub async fn restore(&self, by: &Caller, id: RestoreId) -> Result<RestoreView> {
        let view = self.read(by).await?;
        let needed = Permission::RestoresRead;
        let found = self.demand_restore(&view, by, needed, id).await?;
        Ok(RestoreView::of(found, true))
    }

    /// Ends a restore that is not restored yet.
    pub async fn cancel_restore(&self, by: &Caller, id: RestoreId) -> Result<RestoreView> {
        let view = self.node.read().await?;
        let needed = Permission::RestoresWrite;
        self.demand_restore(&view, by, needed, id).await?;
        let _: RestoreState = self.propose(by, CancelRestore { restore: id }).await?;
        self.restore(by, id).await
    }

    async fn demand_restore(
        &self,
        view: &StateView,
        by: &Caller,
        permission: Permission,
        id: RestoreId,
    ) -> Result<query::RestoreView> {
        let unseen = || AppError::not_found("restore", id);
        let found = query::restore(view.connection(), id).await?;
        let found = found.ok_or_else(unseen)?;
        let needs = (permission, Permission::RestoresRead);
        self.demand_of(view, by, needs, &found.cluster, unseen)
            .await?;
        Ok(found)
    }

    async fn keep_plan(&self, by: &Caller, id: RestoreId, order: RestoreOrder) -> Result<Digest> {
        // The caller's Idempotency-Key is for what begins it.
        let context = ProposeContext {
            traceparent: by.traceparent.clone(),
            ..ProposeContext::caused_by(by.cause())
        };
        let command = PlanRestore { restore: id, order };
        self.propose_as(context, command).await
    }

    async fn begin(&self, by: &Caller, found: &query::RestoreView) -> Result<JobId> {
        let order = &found.order;
        let spec = JobSpec {
            traceparent: by.traceparent.clone(),
            run: None,
            because: None,
            work: WorkSpec::Restore {
                request: Box::new(order.request.clone()),
                plan: Box::new(order.plan.clone()),
            },
        };
        let command = BeginRestore {
            restore: found.id,
            plan_hash: found.plan_hash,
            spec: serde_json::to_value(&spec).map_err(AppError::internal)?,
            approval: ApprovalId::from_uuid(Uuid::now_v7()),
            approval_until: Timestamp::now() + self.config.access.approval.get(),
            reason: by.reason.clone(),
        };
        let begun = self.propose(by, command).await?;
        match begun.asked {
            None => Ok(found.job()),
            Some(asked) => Err(self.pending_restore(found, asked).await?),
        }
    }

    async fn pending_restore(&self, found: &query::RestoreView, asked: Asked) -> Result<AppError> {
        let view = self.node.read().await?;
        let request = query::approval(view.connection(), asked.approval, Timestamp::now()).await?;
        let because = request.map(|request| request.because.join("; "));
        let because = because.unwrap_or_else(|| format!("{} writes over what is there", found.id));
        Ok(super::approval::pending(&asked, &because))
    }

    /// The same restore that the same caller asked for before and that waits for consent.
    async fn waits(
        &self,
        view: &StateView,
        by: &Caller,
        wanted: &WantedRestore,
    ) -> Result<Option<AppError>> {
        let conn = view.connection();
        let filter = RestoreFilter {
            cluster: Some(wanted.cluster.clone()),
            state: Some(RestoreState::AwaitingApproval),
            ..RestoreFilter::default()
        };
        let found = query::restores(conn, &filter, &PageRequest::longest()).await?;
        let principal = by.principal();
        for restore in found.items {
            let same = restore.requested_by.as_ref() == Some(&principal)
                && is_same(wanted, &restore.order);
            let (true, Some(approval)) = (same, restore.approval) else {
                continue;
            };
            let request = query::approval(conn, approval, Timestamp::now()).await?;
            let open = holdfast_state::ApprovalState::Pending;
            if let Some(request) = request.filter(|request| request.state == open) {
                let asked = Asked {
                    approval,
                    needed: u32::try_from(request.needed).unwrap_or(u32::MAX),
                    expires_at: request.expires_at,
                };
                let because = request.because.join("; ");
                return Ok(Some(super::approval::pending(&asked, &because)));
            }
        }
        Ok(None)
    }

    /// A rehearsal of a restore is a drill of it.
    async fn rehearse_restore(&self, by: &Caller, wanted: WantedRestore) -> Result<JobId> {
        let drill = WantedDrill {
            at: DrillPoint::At(wanted.at),
            repository: wanted.repository,
            agent: wanted.agent,
            region: wanted.region,
            checks: (!wanted.checks.is_empty()).then_some(wanted.checks),
            ..WantedDrill::default()
        };
        self.start_drill(by, wanted.cluster, drill).await
    }

    /// Below the level at which restores are rows.
    async fn restore_as_job(
        &self,
        view: &StateView,
        by: &Caller,
        wanted: &WantedRestore,
    ) -> Result<JobId> {
        if wanted.needs_rows() {
            refuse_below(view, schema::RESTORES).await?;
        }
        let order = self.order_restore(view, by, wanted).await?;
        if let Some(problem) = order.plan.problems.first() {
            return Err(AppError::from_agent(problem.clone()));
        }
        let repository = order.repository().cloned();
        let repository =
            repository.ok_or_else(|| AppError::failed("a plan without a repository"))?;
        let (cluster, agent) = (order.request.cluster.clone(), order.request.agent.clone());
        let work = WorkSpec::Restore {
            request: Box::new(order.request),
            plan: Box::new(order.plan),
        };
        // A restore that ended in the middle leaves a directory behind, and
        // nobody but a person decides what becomes of it: it is tried once.
        self.create_job(by, (cluster, repository), Some(agent), work, 1)
            .await
    }

    /// Refuses to restore what the caller may not, or on a host of others.
    async fn may_restore(
        &self,
        view: &StateView,
        by: &Caller,
        wanted: &WantedRestore,
    ) -> Result<()> {
        let needed = Permission::RestoresWrite;
        self.demand_at(view, by, needed, &wanted.cluster).await?;
        if let Some(agent) = &wanted.agent {
            self.demand_agent(view, by, needed, agent).await?;
        }
        match &wanted.repository {
            None => Ok(()),
            Some(repository) => {
                let place = (&wanted.cluster, repository);
                self.demand_repository(view, by, needed, place).await
            }
        }
    }

    /// Refuses what is done with it then, if the caller may not do that. A webhook is
    /// signed with a secret and sent by a node, so it takes who manages secrets.
    async fn may_hand_over(
        &self,
        view: &StateView,
        by: &Caller,
        wanted: &WantedRestore,
    ) -> Result<()> {
        self.may_register(view, by, wanted).await?;
        if wanted.webhooks.is_empty() {
            return Ok(());
        }
        self.demand(view, by, Permission::SecretsWrite).await?;
        for (index, webhook) in wanted.webhooks.iter().enumerate() {
            let Some(secret) = &webhook.secret else {
                continue;
            };
            if query::sealed_secret(view.connection(), secret)
                .await?
                .is_none()
            {
                let field = format!("webhooks[{index}].secret");
                return Err(AppError::not_found("secret", secret).with_field(field));
            }
        }
        Ok(())
    }

    /// The latest frontier that is known of a cluster in a repository.
    pub(crate) async fn frontier_of(
        &self,
        view: &StateView,
        cluster: &Name,
        repository: &Name,
    ) -> Result<Option<ReportedFrontier>> {
        let live = self.wal.live(&(cluster.clone(), repository.clone()));
        let live = live.and_then(|live| live.frontier);
        let recorded = query::frontiers_of(view.connection(), cluster).await?;
        let recorded = recorded
            .into_iter()
            .filter(|known| known.repository == *repository)
            .map(|known| ReportedFrontier {
                timeline: known.timeline,
                frontier: known.frontier,
            });
        let all = live.into_iter().chain(recorded);
        Ok(all.max_by_key(|known| known.frontier.time))
    }
}

/// The plan of this hash, for this request.
async fn planned(
    view: &StateView,
    wanted: &WantedRestore,
    hash: &str,
) -> Result<query::RestoreView> {
    let stale = || Refusal::PlanStale {
        what: "what this hash names".to_owned(),
    };
    let digest: Digest = hash
        .parse()
        .map_err(|_| AppError::invalid("planHash", "it is the planHash of a plan"))?;
    let found = query::planned_restore(view.connection(), digest).await?;
    let found = found.ok_or_else(stale)?;
    if !is_same(wanted, &found.order) {
        let message = "the plan of this hash is for another request: repeat that one";
        return Err(AppError::invalid("planHash", message));
    }
    Ok(found)
}

/// Whether an order is what somebody asks for.
fn is_same(wanted: &WantedRestore, order: &RestoreOrder) -> bool {
    let agent = wanted.agent.as_ref();
    let agent = agent.unwrap_or(&order.request.agent).clone();
    wanted.on(agent) == order.request && wanted.hand_over() == order.hand_over
}
