//! What clusters were and are exposed to: facts are read here and judged in
//! `holdfast_compliance`.
//!
//! What is said of the past rests on the facts of the log. What is said of now rests on
//! them and on what agents last said to this node or to another.

use futures_util::{StreamExt, TryStreamExt, stream};
use holdfast_compliance::{KeptStretch, Period};
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

/// How many clusters are read with one statement.
const AT_ONCE: usize = 8;
/// While one such part is judged, the next is read.
const IN_FLIGHT: usize = 3;

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
    /// What is told of each of these clusters, in their order: their facts, with what
    /// their duties claimed since the log's last checkpoint when it is asked as known
    /// now.
    async fn tell_each<T: Send + 'static>(
        &self,
        view: &StateView,
        clusters: &[ResourceView],
        asked: Asked,
        what: fn(ClusterComplianceView) -> T,
    ) -> Result<Vec<T>> {
        let conn = view.connection();
        let parts: Vec<Vec<ResourceView>> = clusters.chunks(AT_ONCE).map(<[_]>::to_vec).collect();
        let parts = stream::iter(parts).map(|some: Vec<ResourceView>| async move {
            let names: Vec<Name> = some.iter().map(|one| one.name().clone()).collect();
            let pasts = query::pasts(conn, &names).await?;
            let live: Vec<Vec<KeptStretch>> = match asked.live {
                true => self.live_of(view, &names).await?,
                false => vec![Vec::new(); names.len()],
            };
            let told = tokio::task::spawn_blocking(move || {
                let of_each = some.iter().zip(&pasts).zip(live);
                let told = of_each.map(|((cluster, past), live)| {
                    let mut history = past.read()?.history();
                    live.into_iter().for_each(|one| history.add_stretch(one));
                    Ok::<T, AppError>(what(view_of(cluster, &history, asked)))
                });
                told.collect::<Result<Vec<T>>>()
            });
            told.await.map_err(AppError::internal)?
        });
        let parts: Vec<Vec<T>> = parts.buffered(IN_FLIGHT).try_collect().await?;
        Ok(parts.into_iter().flatten().collect())
    }

    /// What was claimed of each that the log may not have.
    async fn live_of(&self, view: &StateView, names: &[Name]) -> Result<Vec<Vec<KeptStretch>>> {
        let promises = query::promises_of(view.connection(), names).await?;
        let live = names.iter().map(|name| {
            let promise = promises.get(name);
            promise.map_or_else(Vec::new, |promise| self.live_stretches(name, promise))
        });
        Ok(live.collect())
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
        let summary = |told: ClusterComplianceView| told.summary;
        Ok(Page {
            items: self.tell_each(&view, &found.items, asked, summary).await?,
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
        let told = self.tell_each(&view, &[found], asked, |told| told).await?;
        let told = told.into_iter().next();
        told.ok_or_else(|| AppError::not_found("cluster", name))
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
            let mut wanted = some.items;
            wanted.retain(|one| {
                let named = cluster.as_ref().is_none_or(|wanted| wanted == one.name());
                named && after.as_ref().is_none_or(|(last, _)| one.name() >= last)
            });
            for some in wanted.chunks(AT_ONCE * IN_FLIGHT) {
                if found.len() > page.limit() {
                    break;
                }
                let told = self
                    .tell_each(&view, some, asked, |told| told.violations)
                    .await?;
                let told = told.into_iter().flatten();
                let told = told.filter(|one| open.is_none_or(|open| one.open == open));
                found.extend(told.filter(|one| match &after {
                    Some((last, at)) => (&one.cluster, one.started_at) > (last, *at),
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
