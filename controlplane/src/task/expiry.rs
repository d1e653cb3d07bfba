//! Condemns what policies keep no longer, and deletes what was condemned long
//! enough (I-06).

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use holdfast_consensus::StateView;
use holdfast_state::query::{self, PageRequest, ResourceFilter};
use holdfast_state::schema;
use holdfast_types::Name;
use holdfast_types::resource::Kind;

use super::driver::Task;
use crate::app::App;
use crate::app::error::Result;
use crate::expiry::{self, Looked, Tried};

#[derive(Default)]
pub(super) struct Expiry {
    /// When this leader planned last.
    planned: Mutex<Option<Instant>>,
    looked: Looked,
    tried: Tried,
}

impl Task for Expiry {
    const NAME: &'static str = "expiry";
    const PERIOD: Duration = Duration::from_secs(1);

    async fn activate(&self, app: &App) -> Result<u64> {
        // Cheap where nothing is due, and no promise: what is done rests on `view`.
        if schema::version(app.local().connection()).await? < schema::EXPIRY {
            return Ok(0);
        }
        let mut done = 0;
        if self.is_time_to_plan(app.config.expiry.every.get()) {
            let view = app.node.read().await?;
            for cluster in names(&view, Kind::Cluster).await? {
                // Anew for each: what the one before condemned is in it.
                let view = app.node.read().await?;
                done += expiry::condemn(app, &view, &cluster).await?;
            }
            let repositories = names(&view, Kind::Repository).await?;
            done += expiry::condemn_orphans(app, &view, &self.looked, &repositories).await?;
        }
        let local = app.local();
        let now = jiff::Timestamp::now().max(query::log_time(local.connection()).await?);
        let due = query::is_deletion_due(local.connection(), now).await?;
        if due {
            let view = app.node.read().await?;
            done += expiry::sweep(app, &view, &self.tried).await?;
        }
        Ok(done)
    }
}

impl Expiry {
    fn is_time_to_plan(&self, every: Duration) -> bool {
        let mut planned = self.planned.lock().unwrap_or_else(PoisonError::into_inner);
        let due = planned.is_none_or(|at| at.elapsed() >= every);
        if due {
            *planned = Some(Instant::now());
        }
        due
    }
}

async fn names(view: &StateView, kind: Kind) -> Result<Vec<Name>> {
    let filter = ResourceFilter::default();
    let mut page = PageRequest::longest();
    let mut names = Vec::new();
    loop {
        let found = query::resources(view.connection(), kind, &filter, &page).await?;
        let items = found.items.into_iter();
        names.extend(items.map(|one| one.document.metadata.name));
        match found.next_cursor {
            None => return Ok(names),
            cursor => page.cursor = cursor,
        }
    }
}
