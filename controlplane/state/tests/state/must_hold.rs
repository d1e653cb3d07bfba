//! What no log may break, looked at after each of its entries.

use std::collections::BTreeMap;

use holdfast_state::query::{self, JobFilter, PageRequest};
use holdfast_types::schedule::RunState;
use holdfast_types::{BackupState, Generation, JobState, LsnRange};
use proptest::prelude::*;

use crate::fixture::name;

/// What was seen so far.
#[derive(Default)]
pub(crate) struct Known {
    ended: BTreeMap<String, JobState>,
    generations: BTreeMap<String, Generation>,
    available: Vec<String>,
    gone: Vec<String>,
}

impl Known {
    /// Looks at the state, and at what it was before.
    pub(crate) async fn check(
        &mut self,
        conn: &sea_orm::DatabaseConnection,
    ) -> Result<(), TestCaseError> {
        let page = PageRequest::longest();
        let jobs = query::jobs(conn, &JobFilter::default(), &page)
            .await
            .unwrap();
        let held = query::active_job_assignments(conn).await.unwrap();
        for job in &jobs.items {
            let id = job.id.to_string();
            // I-14: an end is final. I-04: a generation never goes back.
            if let Some(ended) = self.ended.get(&id) {
                prop_assert_eq!(*ended, job.state);
            }
            if job.state.is_terminal() {
                self.ended.insert(id.clone(), job.state);
            }
            let before = self.generations.insert(id.clone(), job.generation);
            prop_assert!(before <= Some(job.generation));
            // A job is in exactly one pair of hands while it is worked on.
            let waits = job.state == JobState::Queued || job.state.is_terminal();
            let hands = held.iter().filter(|one| work_of(one) == Some(job.id));
            let hands: Vec<_> = hands.collect();
            prop_assert_eq!(hands.len(), usize::from(!waits), "{} is {}", id, job.state);
            prop_assert!(hands.iter().all(|one| one.generation == job.generation));
        }
        for duty in query::duties_of_cluster(conn, &name("orders"))
            .await
            .unwrap()
        {
            let key = format!("duty {}", duty.repository);
            let before = self.generations.insert(key, duty.generation);
            prop_assert!(before <= Some(duty.generation));
        }
        check_runs(conn).await?;
        self.check_backups(conn).await
    }

    async fn check_backups(
        &mut self,
        conn: &sea_orm::DatabaseConnection,
    ) -> Result<(), TestCaseError> {
        let (filter, page) = (query::BackupFilter::default(), PageRequest::longest());
        let all = query::backups(conn, &filter, &page).await.unwrap().items;
        for backup in &all {
            let id = backup.id.to_string();
            let is_expiring = matches!(backup.state, BackupState::Condemned | BackupState::Deleted);
            // I-06: who was condemned never comes back.
            if is_expiring {
                prop_assert!(self.available.contains(&id), "{} was never available", id);
                self.gone.push(id);
                continue;
            }
            prop_assert!(!self.gone.contains(&id), "{} was gone", id);
            if backup.state != BackupState::Available {
                prop_assert!(!self.available.contains(&id), "{} was available", id);
                continue;
            }
            // I-05: its WAL is there.
            let wal = query::wal_of_cluster(conn, &backup.cluster).await.unwrap();
            let (from, to) = (backup.start_lsn.unwrap(), backup.stop_lsn.unwrap());
            let needed = LsnRange::new(from, to).unwrap();
            let covered = wal
                .iter()
                .any(|one| Some(one.timeline) == backup.timeline && one.coverage.covers(needed));
            prop_assert!(covered, "{} lacks WAL", id);
            self.available.push(id);
        }
        // The last one that is available stays.
        let some = |state| all.iter().any(|one| one.state == state);
        let was = some(BackupState::Condemned) || some(BackupState::Deleted);
        prop_assert!(!was || some(BackupState::Available), "none is left");
        Ok(())
    }
}

/// I-03: a run that is due has a job that waits, and nothing else is queued.
async fn check_runs(conn: &sea_orm::DatabaseConnection) -> Result<(), TestCaseError> {
    let (filter, page) = (query::RunFilter::default(), PageRequest::longest());
    let all = query::runs(conn, &filter, &page).await.unwrap().items;
    let queue = query::job_queue(conn).await.unwrap();
    for run in &all {
        let waits = run.state == RunState::Due;
        prop_assert_eq!(waits || run.state == RunState::Ran, run.reason.is_none());
        let Some(job) = run.job else {
            prop_assert!(!waits, "{} is due and has no job", run.id);
            continue;
        };
        let job = query::job(conn, job).await.unwrap().unwrap();
        let fresh = job.state == JobState::Queued && job.attempts == 0;
        prop_assert_eq!(waits, fresh, "{} and its job: {}", run.id, job.state);
        prop_assert_eq!(queue.contains_key(&job.id), !job.state.is_terminal());
    }
    for run in queue.values() {
        prop_assert!(all.iter().any(|one| one.id == run.run));
    }
    Ok(())
}

fn work_of(assignment: &query::AssignmentView) -> Option<holdfast_types::JobId> {
    match &assignment.work {
        query::Work::Job(job) => Some(job.id),
        query::Work::Wal => None,
    }
}
