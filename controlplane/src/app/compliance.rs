//! What clusters were and are exposed to: facts are read here and judged in
//! `holdfast_compliance`.
//!
//! What is said of the past rests on the facts of the log. What is said of now rests on
//! them and on what agents last said to this node or to another.

use std::sync::Arc;

use holdfast_compliance::{Fact, History, Judgement, KeptStretch, Period, Promise, Recorded};
use holdfast_consensus::StateView;
use holdfast_state::query::{self, Page, PageRequest, ResourceFilter, ResourceView};
use holdfast_state::schema;
use holdfast_types::Name;
use holdfast_types::access::{Permission, Visible};
use holdfast_types::resource::Kind;
use jiff::{SignedDuration, Timestamp};

use super::App;
use super::backup::refuse_below;
use super::caller::Caller;
use super::error::{AppError, Result};
use crate::plan::compliance::{
    Asked, ClusterComplianceView, ComplianceView, ViolationView, view_of,
};

/// The period that is meant when none is said.
const USUAL: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Which time is asked about, and what was known of it when.
#[derive(Debug, Clone, Copy, Default)]
pub struct AskedPeriod {
    /// Its first moment; 30 days before its end when it is not said.
    pub from: Option<Timestamp>,
    /// The moment after its last; now when it is not said.
    pub to: Option<Timestamp>,
    /// What was known by then; now when it is not said.
    pub as_known_at: Option<Timestamp>,
}

impl AskedPeriod {
    pub(crate) fn decide(self, now: Timestamp) -> Result<Asked> {
        let known = self.as_known_at.unwrap_or(now).min(now);
        // Nothing was known of what came later.
        let until = self.to.unwrap_or(known).min(known);
        let usual = until.checked_sub(USUAL).unwrap_or(Timestamp::MIN);
        let from = self.from.unwrap_or(usual);
        if from >= until {
            let message = "the period ends before it begins, or has not begun yet";
            return Err(AppError::invalid("from", message));
        }
        Ok(Asked {
            period: Period { from, until },
            known,
            live: self.as_known_at.is_none(),
        })
    }
}

impl App {
    /// All facts of a cluster that the log has. What is asked of it as known at a
    /// moment is the same on every node and for ever.
    pub(crate) async fn history_of(&self, view: &StateView, cluster: &Name) -> Result<History> {
        Ok(query::history(view.connection(), cluster).await?)
    }

    /// The facts of a cluster, with what its duties claimed since the log's last
    /// checkpoint when it is asked as known now.
    async fn asked_history(
        &self,
        view: &StateView,
        cluster: &Name,
        asked: Asked,
    ) -> Result<History> {
        let mut history = self.history_of(view, cluster).await?;
        if let Some((_, promise)) = query::promise(view.connection(), cluster).await?
            && asked.live
        {
            for stretch in self.live_stretches(cluster, &promise) {
                history.add_stretch(stretch);
            }
        }
        Ok(history)
    }

    /// What a period of clusters was like, a page of them by name.
    pub async fn compliance(
        &self,
        by: &Caller,
        (cluster, fleet): (Option<&Name>, Option<Name>),
        period: AskedPeriod,
        page: &PageRequest,
    ) -> Result<Page<ComplianceView>> {
        let asked = period.decide(Timestamp::now())?;
        let view = self.read(by).await?;
        refuse_below(&view, schema::COMPLIANCE).await?;
        let visible = self.visible(&view, by, Permission::ClustersRead).await?;
        let found = match cluster {
            Some(name) => {
                self.demand_at(&view, by, Permission::ClustersRead, name)
                    .await?;
                let found = query::resource(view.connection(), Kind::Cluster, name).await?;
                let found = found.ok_or_else(|| AppError::not_found("cluster", name))?;
                let fits = fleet.is_none() || found.fleet == fleet;
                Page {
                    items: fits.then_some(found).into_iter().collect(),
                    next_cursor: None,
                }
            }
            None => self.asked_clusters(&view, fleet, visible, page).await?,
        };
        let mut items = Vec::with_capacity(found.items.len());
        for cluster in &found.items {
            let history = self.asked_history(&view, cluster.name(), asked).await?;
            items.push(view_of(cluster, &history, asked).summary);
        }
        Ok(Page {
            items,
            next_cursor: found.next_cursor,
        })
    }

    async fn asked_clusters(
        &self,
        view: &StateView,
        fleet: Option<Name>,
        visible: Visible,
        page: &PageRequest,
    ) -> Result<Page<ResourceView>> {
        let filter = ResourceFilter {
            fleet,
            visible,
            // They were promised something once.
            retired: true,
            ..ResourceFilter::default()
        };
        Ok(query::resources(view.connection(), Kind::Cluster, &filter, page).await?)
    }

    /// A period of one cluster with its phases and violations.
    pub async fn cluster_compliance(
        &self,
        by: &Caller,
        name: &Name,
        period: AskedPeriod,
    ) -> Result<ClusterComplianceView> {
        let asked = period.decide(Timestamp::now())?;
        let view = self.read(by).await?;
        self.demand_at(&view, by, Permission::ClustersRead, name)
            .await?;
        refuse_below(&view, schema::COMPLIANCE).await?;
        let found = query::resource(view.connection(), Kind::Cluster, name).await?;
        let found = found.ok_or_else(|| AppError::not_found("cluster", name))?;
        let history = self.asked_history(&view, name, asked).await?;
        Ok(view_of(&found, &history, asked))
    }

    /// A page of violations that lie in a period, by cluster and time.
    pub async fn violations(
        &self,
        by: &Caller,
        (cluster, fleet, open): (Option<Name>, Option<Name>, Option<bool>),
        period: AskedPeriod,
        page: &PageRequest,
    ) -> Result<Page<ViolationView>> {
        let asked = period.decide(Timestamp::now())?;
        let view = self.read(by).await?;
        refuse_below(&view, schema::COMPLIANCE).await?;
        let visible = self.visible(&view, by, Permission::ClustersRead).await?;
        if let Some(name) = &cluster {
            self.demand_at(&view, by, Permission::ClustersRead, name)
                .await?;
        }
        let after: Option<(Name, Timestamp)> = page.key()?;
        let mut found: Vec<ViolationView> = Vec::new();
        let mut clusters = PageRequest::longest();
        loop {
            let some = self
                .asked_clusters(&view, fleet.clone(), visible.clone(), &clusters)
                .await?;
            for one in &some.items {
                let name = one.name();
                let wanted = cluster.as_ref().is_none_or(|wanted| wanted == name);
                let done = after.as_ref().is_some_and(|(last, _)| name < last);
                if !wanted || done || found.len() > page.limit() {
                    continue;
                }
                let history = self.asked_history(&view, name, asked).await?;
                let told = view_of(one, &history, asked).violations.into_iter();
                let told = told.filter(|one| open.is_none_or(|open| one.open == open));
                found.extend(told.filter(|one| match &after {
                    Some((last, at)) => (name, one.started_at) > (last, *at),
                    None => true,
                }));
            }
            match some.next_cursor {
                Some(_) if found.len() > page.limit() => break,
                None => break,
                cursor => clusters.cursor = cursor,
            }
        }
        Ok(Page::cut(found, page, |one| {
            (one.cluster.clone(), one.started_at)
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_decided_by_what_was_known() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let now = at("2026-03-01T00:00:00Z");
        let usual = AskedPeriod::default().decide(now).unwrap();
        assert_eq!((usual.period.until, usual.live), (now, true));
        assert_eq!(usual.period.from, at("2026-01-30T00:00:00Z"));
        let asked = AskedPeriod {
            from: Some(at("2026-01-01T00:00:00Z")),
            to: Some(at("2026-02-01T00:00:00Z")),
            as_known_at: Some(at("2026-01-15T00:00:00Z")),
        };
        let known = asked.decide(now).unwrap();
        assert_eq!(known.period.until, at("2026-01-15T00:00:00Z"));
        assert!(!known.live);
        let future = AskedPeriod {
            from: Some(at("2026-04-01T00:00:00Z")),
            ..asked
        };
        assert!(future.decide(now).is_err());
    }
}
