//! Compares the catalog with each repository: when somebody asks, and every
//! few hours.

use std::time::Duration;

use holdfast_state::query::{self, PageRequest, ResourceFilter, ScanView};
use holdfast_types::Name;
use holdfast_types::resource::Kind;
use jiff::Timestamp;

use super::driver::Task;
use crate::app::App;
use crate::app::error::Result;
use crate::scan;

/// How soon one that could not be looked at is tried again.
const AGAIN: Duration = Duration::from_secs(15 * 60);

pub(super) struct Scans;

impl Task for Scans {
    const NAME: &'static str = "scans";
    const PERIOD: Duration = Duration::from_secs(60);

    async fn activate(&self, app: &App) -> Result<u64> {
        let view = app.node.read().await?;
        let known = query::scans(view.connection()).await?;
        let every = app.config.jobs.scan_every.get();
        let mut done = 0;
        for name in repositories(&view).await? {
            let last = known.iter().find(|scan| scan.repository == name);
            let found = query::repository_identity(view.connection(), &name).await?;
            let requested = last.is_some_and(|scan| scan.requested_at.is_some());
            // Where nothing was ever found there is nothing to compare.
            if requested || (found.is_some() && is_due(last, &name, every, Timestamp::now())) {
                // Anew: an earlier one may have taken long.
                let view = app.node.read().await?;
                scan::scan(app, &view, &name, requested).await?;
                done += 1;
            }
        }
        Ok(done)
    }
}

async fn repositories(view: &holdfast_consensus::StateView) -> Result<Vec<Name>> {
    let filter = ResourceFilter::default();
    let mut page = PageRequest::longest();
    let mut names = Vec::new();
    loop {
        let found = query::resources(view.connection(), Kind::Repository, &filter, &page).await?;
        let found_names = found.items.into_iter();
        names.extend(found_names.map(|one| one.document.metadata.name));
        match found.next_cursor {
            None => return Ok(names),
            cursor => page.cursor = cursor,
        }
    }
}

/// Whether it is time, with a jitter of its own for each repository.
fn is_due(last: Option<&ScanView>, name: &Name, every: Duration, now: Timestamp) -> bool {
    let Some(last) = last else {
        return true;
    };
    let Some(tried) = last.tried_at else {
        return true;
    };
    let wait = if last.failure.is_some() {
        every.min(AGAIN)
    } else {
        let digest = holdfast_state::Digest::of(name.as_str().as_bytes());
        every.mul_f64(1.0 + f64::from(digest.as_bytes()[0]) / 2560.0)
    };
    let waited = now.duration_since(tried);
    waited.is_negative() || waited.unsigned_abs() >= wait
}
