//! The journal over kill -9.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use holdfast_agent::journal::{Begin, FILE, Journal, Report};
use holdfast_proto::{Held, JobEvent, JobOutcome};
use holdfast_types::{Failure, Generation, JobPhase};

use crate::rig::{all, assignment_id, backup, duty};

const CHILD: &str = "HOLDFAST_TEST_JOURNAL_CHILD";

fn held(number: u128, generation: u64) -> Held {
    Held {
        assignment: assignment_id(number),
        generation: Generation(generation),
    }
}

fn cut_short() -> Failure {
    Failure::transient("agent_interrupted", "the agent ended", "nothing to do")
}

/// What the child does before it is killed: one job ends, one is at work.
async fn work_until_killed(data: &Path) -> ! {
    let journal = Journal::open(data).unwrap();
    journal
        .keep_standing(&all(&[duty(7, 3), backup(8, 1)]))
        .await
        .unwrap();
    assert_eq!(journal.begin(held(1, 1)).await.unwrap(), Begin::Begun);
    journal
        .finish(held(1, 1), JobOutcome::Cancelled, vec!["done".to_owned()])
        .await
        .unwrap();
    assert_eq!(journal.begin(held(2, 5)).await.unwrap(), Begin::Begun);
    journal.reached(held(2, 5), JobPhase::Copy).await.unwrap();
    println!("\nat work");
    std::future::pending().await
}

// I-08, I-14
#[tokio::test]
async fn a_killed_agent_reports_what_it_was_doing_as_interrupted() {
    if let Some(data) = std::env::var_os(CHILD) {
        work_until_killed(Path::new(&data)).await;
    }
    let directory = tempfile::tempdir().unwrap();
    let name = "journal::a_killed_agent_reports_what_it_was_doing_as_interrupted";
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(CHILD, directory.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(
        lines.any(|line| line.unwrap() == "at work"),
        "the child came so far"
    );
    child.kill().unwrap();
    child.wait().unwrap();

    let journal = Journal::open(directory.path()).unwrap();
    let interrupted = journal.interrupt_all(cut_short()).await.unwrap();
    assert_eq!(interrupted, [held(2, 5)]);
    let reports = journal.unanswered(0, 100).await.unwrap();
    let events: Vec<_> = reports
        .iter()
        .map(|report| match report {
            Report::Job(report) => (report.generation.0, &report.event),
            Report::Offline(report) => panic!("nothing was done alone: {report:?}"),
        })
        .collect();
    let interrupted = JobOutcome::Interrupted(cut_short());
    assert_eq!(
        events,
        [
            (1, &JobEvent::Started),
            (
                1,
                &JobEvent::Finished {
                    outcome: Box::new(JobOutcome::Cancelled),
                    log: vec!["done".to_owned()]
                }
            ),
            (5, &JobEvent::Started),
            (5, &JobEvent::Phase(JobPhase::Copy)),
            (
                5,
                &JobEvent::Finished {
                    outcome: Box::new(interrupted),
                    log: Vec::new()
                }
            ),
        ]
    );
    // Nobody has heard of them, so they are still in our hands.
    assert_eq!(journal.held().await.unwrap(), [held(1, 1), held(2, 5)]);
    assert_eq!(
        journal.standing().await.unwrap(),
        all(&[duty(7, 3)]),
        "duties stand, jobs do not"
    );
    assert_eq!(
        journal.interrupt_all(cut_short()).await.unwrap(),
        [],
        "once is enough"
    );

    // I-14: neither runs again under its generation, a later one may.
    assert_eq!(journal.begin(held(1, 1)).await.unwrap(), Begin::Known);
    assert_eq!(journal.begin(held(2, 5)).await.unwrap(), Begin::Known);
    assert_eq!(journal.begin(held(2, 4)).await.unwrap(), Begin::Stale);
    assert_eq!(journal.begin(held(2, 6)).await.unwrap(), Begin::Begun);
}

#[tokio::test]
async fn a_sequence_is_never_used_again() {
    let directory = tempfile::tempdir().unwrap();
    let journal = Journal::open(directory.path()).unwrap();
    journal.begin(held(1, 1)).await.unwrap();
    let first = journal.unanswered(0, 10).await.unwrap()[0].sequence();
    journal.answered(first).await.unwrap();
    drop(journal);
    let journal = Journal::open(directory.path()).unwrap();
    assert_eq!(*journal.subscribe().borrow(), first);
    journal.begin(held(2, 1)).await.unwrap();
    let second = journal.unanswered(0, 10).await.unwrap()[0].sequence();
    assert!(second > first, "{second} after {first}");
    assert_eq!(*journal.subscribe().borrow(), second);
}

#[tokio::test]
async fn a_job_ends_once() {
    let directory = tempfile::tempdir().unwrap();
    let journal = Journal::open(directory.path()).unwrap();
    journal.begin(held(1, 1)).await.unwrap();
    journal
        .finish(held(1, 1), JobOutcome::Cancelled, Vec::new())
        .await
        .unwrap();
    journal
        .finish(held(1, 1), JobOutcome::Interrupted(cut_short()), Vec::new())
        .await
        .unwrap();
    journal.reached(held(1, 1), JobPhase::Commit).await.unwrap();
    assert_eq!(
        journal.unanswered(0, 10).await.unwrap().len(),
        2,
        "started and finished"
    );
}

// I-10
#[tokio::test]
async fn secrets_are_readable_by_the_owner_alone_and_go_when_they_are_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let journal = Journal::open(directory.path()).unwrap();
    journal.keep_standing(&all(&[duty(7, 3)])).await.unwrap();
    let mut files = 0;
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let metadata = entry.unwrap().metadata().unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        files += 1;
    }
    assert!(files >= 1);
    journal.keep_standing(&all(&[])).await.unwrap();
    drop(journal);
    let bytes = std::fs::read(directory.path().join(FILE)).unwrap();
    let password = b"the password of the tests";
    assert!(
        !bytes
            .windows(password.len())
            .any(|window| window == password)
    );
}

/// An agent that ends holds the file until its last pages are written back, and the
/// next one is started at once.
#[test]
fn one_that_is_just_being_closed_is_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    drop(Journal::open(directory.path()).unwrap());
    let begin = std::sync::Barrier::new(3);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                begin.wait();
                for _ in 0..40 {
                    drop(Journal::open(directory.path()).unwrap());
                }
            });
        }
    });
}
