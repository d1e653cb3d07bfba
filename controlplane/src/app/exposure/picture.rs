//! All clusters, and how exposed each is: one picture for everybody who asks at the same
//! time. Every open console asks again and again, and to read and judge ten thousand
//! costs a good part of a second.
//!
//! What is declared is kept until another revision is (what was applied is seen at once).
//! A picture is shown again for as long as it took to make, so that making pictures takes
//! half of a processor at most; of a small fleet it is made anew each time. Alarms,
//! violations and reports do not rest on it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast_consensus::StateView;
use holdfast_state::query::{self, DeclaredMark, PageRequest, ResourceFilter, ResourceView};
use holdfast_types::Name;
use holdfast_types::access::Permission;
use holdfast_types::drill::{NotProven, prove};
use holdfast_types::resource::Kind;
use jiff::Timestamp;
use tokio::sync::Mutex;

use super::gather::Common;
use super::verdict::{ExposedNow, is_seen};
use crate::app::App;
use crate::app::caller::Caller;
use crate::app::error::Result;

/// What took less is always made anew.
const CHEAP: Duration = Duration::from_millis(50);
/// None is shown when it is older.
const OLD: Duration = Duration::from_secs(2);

/// What was made last.
#[derive(Default)]
pub(in crate::app) struct Pictures {
    declared: Mutex<Option<Arc<Declared>>>,
    picture: Mutex<Option<Made>>,
}

/// Every cluster that is looked after, by name, and what is the same for all.
pub(crate) struct Declared {
    mark: DeclaredMark,
    pub(crate) clusters: Vec<ResourceView>,
    pub(crate) common: Arc<Common>,
}

struct Made {
    picture: Arc<Picture>,
    at: Instant,
    took: Duration,
}

/// How exposed every cluster is that is looked after.
pub(crate) struct Picture {
    pub(crate) declared: Arc<Declared>,
    of: BTreeMap<Name, Pictured>,
    /// When this was so.
    pub(crate) as_of: Timestamp,
}

/// What is known of one cluster.
pub(crate) struct Pictured {
    pub(crate) exposed: ExposedNow,
    /// Why its drills prove nothing; `None` when they do.
    pub(crate) unproven: Option<NotProven>,
}

impl Picture {
    /// Every cluster with what is known of it.
    pub(crate) fn clusters(&self) -> impl Iterator<Item = (&ResourceView, &Pictured)> {
        let clusters = self.declared.clusters.iter();
        clusters.filter_map(|one| Some((one, self.of.get(one.name())?)))
    }
}

impl Made {
    fn may_be_shown(&self, declared: &Declared) -> bool {
        let costly = self.took > CHEAP;
        let same = self.picture.declared.mark == declared.mark;
        costly && same && self.at.elapsed() < self.took.min(OLD)
    }
}

impl App {
    /// Every cluster that is looked after, as the view has them.
    pub(in crate::app) async fn declared(&self, view: &StateView) -> Result<Arc<Declared>> {
        let mark = query::declared_mark(view.connection()).await?;
        let mut kept = self.pictures.declared.lock().await;
        if let Some(declared) = kept.as_ref().filter(|declared| declared.mark == mark) {
            return Ok(Arc::clone(declared));
        }
        let declared = Arc::new(Declared {
            mark,
            clusters: clusters(view).await?,
            common: Arc::new(Common::read(view).await?),
        });
        *kept = Some(Arc::clone(&declared));
        Ok(declared)
    }

    /// How exposed every cluster is. Who asks while it is made waits for that one.
    pub(in crate::app) async fn picture(&self, view: &StateView) -> Result<Arc<Picture>> {
        let declared = self.declared(view).await?;
        let mut made = self.pictures.picture.lock().await;
        if let Some(made) = made.as_ref().filter(|made| made.may_be_shown(&declared)) {
            return Ok(Arc::clone(&made.picture));
        }
        let began = Instant::now();
        let picture = Arc::new(self.take_picture(view, declared).await?);
        *made = Some(Made {
            picture: Arc::clone(&picture),
            at: Instant::now(),
            took: began.elapsed(),
        });
        Ok(picture)
    }

    /// How exposed each cluster is that the caller sees.
    pub(crate) async fn exposures(&self, by: &Caller) -> Result<Vec<ExposedNow>> {
        let view = self.read(by).await?;
        let visible = self.visible(&view, by, Permission::ClustersRead).await?;
        let picture = self.picture(&view).await?;
        let seen = picture.clusters().filter(|(one, _)| is_seen(&visible, one));
        Ok(seen.map(|(_, of)| of.exposed.clone()).collect())
    }

    async fn take_picture(&self, view: &StateView, declared: Arc<Declared>) -> Result<Picture> {
        let clusters = &declared.clusters;
        let names: Vec<Name> = clusters.iter().map(|one| one.name().clone()).collect();
        let drills = query::newest_drills_of(view.connection(), &names).await?;
        let as_of = Timestamp::now();
        let unproven = |cluster: &ResourceView| {
            let (newest, passed) = drills.get(cluster.name()).copied().unwrap_or_default();
            prove(newest, passed, declared.common.drills_of(cluster), as_of).because
        };
        let mut unproven: BTreeMap<&Name, Option<NotProven>> = clusters
            .iter()
            .map(|one| (one.name(), unproven(one)))
            .collect();
        let exposed = self.exposed_now(view, &declared.common, clusters).await?;
        let pictured = exposed.into_iter().map(|exposed| {
            let unproven = unproven.remove(&exposed.cluster);
            let unproven = unproven.unwrap_or(Some(NotProven::NoDrill));
            (exposed.cluster.clone(), Pictured { exposed, unproven })
        });
        let of = pictured.collect();
        Ok(Picture {
            declared,
            of,
            as_of,
        })
    }
}

async fn clusters(view: &StateView) -> Result<Vec<ResourceView>> {
    let (filter, mut page) = (ResourceFilter::default(), PageRequest::longest());
    let mut all = Vec::new();
    loop {
        let found = query::resources(view.connection(), Kind::Cluster, &filter, &page).await?;
        all.extend(found.items);
        match found.next_cursor {
            None => return Ok(all),
            cursor => page.cursor = cursor,
        }
    }
}
