//! The process that dies: this test program, asked to do one piece of work.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use holdfast_agent::host::{Host, HostConfig, PostgresConfig};
use holdfast_agent::work::{LocalRunner, Runner};
use holdfast_proto::Work;
use holdfast_types::{AssignmentId, Generation};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use uuid::Uuid;

use crate::fixture::{Fixture, context};

/// In the environment: what to do. It holds a key, but one of the tests.
const ORDER: &str = "HOLDFAST_TEST_ORDER";
const PAUSE: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Serialize, Deserialize)]
struct Order {
    data: PathBuf,
    executable: PathBuf,
    bin_dirs: Vec<PathBuf>,
    work: Work,
}

/// Not a test: what tests kill. Without an order there is nothing to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_process_that_dies() {
    let Ok(order) = std::env::var(ORDER) else {
        return;
    };
    let order: Order = serde_json::from_str(&order).unwrap();
    let bin_dirs = order.bin_dirs;
    let config = HostConfig {
        postgres: PostgresConfig { bin_dirs },
        hooks: crate::fixture::hooks(),
    };
    let host = Host::with_executable(order.data, config, order.executable);
    let cx = context();
    let outcome = match order.work {
        Work::Backup(work) => LocalRunner.backup(*work, cx.clone(), &host).await,
        Work::Restore(work) => LocalRunner.restore(*work, cx.clone(), &host).await,
        Work::RestoreDump(work) => LocalRunner.restore_dump(*work, cx.clone(), &host).await,
        Work::Copy(work) => LocalRunner.copy(*work, cx.clone(), &host).await,
        Work::Drill(work) => LocalRunner.drill(*work, cx.clone(), &host).await,
        Work::ReceiveWal(work) => {
            let id = AssignmentId::from_uuid(Uuid::now_v7());
            let duty = LocalRunner.receive_wal(id, Generation(1), *work, host);
            let mut report = duty.report();
            loop {
                println!("{:?}", *report.borrow_and_update());
                report.changed().await.unwrap();
            }
        }
    };
    println!("it ended as {outcome:?}: {:?}", cx.state().log);
}

/// Gives `work` to a process that dies at `point`, and waits until it has.
pub(super) async fn dies_at(fixture: &Fixture, point: &str, work: Work) {
    dies_during(fixture, point, work, async || {}).await;
}

/// The same while something is done again and again.
pub(super) async fn dies_during(
    fixture: &Fixture,
    point: &str,
    work: Work,
    mut meanwhile: impl AsyncFnMut(),
) {
    let order = Order {
        data: fixture.host.data_dir().to_owned(),
        executable: fixture.host.executable().to_owned(),
        bin_dirs: vec![fixture.cluster.programs().directory().to_owned()],
        work,
    };
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "crash::child::the_process_that_dies"]);
    command.args(["--nocapture", "--test-threads=1"]);
    command.env(ORDER, serde_json::to_string(&order).unwrap());
    let dies = dies(command, point);
    tokio::pin!(dies);
    loop {
        tokio::select! {
            () = &mut dies => return,
            () = tokio::time::sleep(PAUSE) => meanwhile().await,
        }
    }
}

/// Runs a program until it dies at `point`.
pub(super) async fn dies(mut command: Command, point: &str) {
    command.env("HOLDFAST_FAILPOINTS", format!("{point}=kill"));
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.kill_on_drop(true).spawn().unwrap();
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let (mut said, mut warned) = (Vec::new(), Vec::new());
    // Programs that it started may hold its outputs open for longer than it lives.
    let reading = async {
        let _ = tokio::join!(out.read_to_end(&mut said), err.read_to_end(&mut warned));
        std::future::pending::<ExitStatus>().await
    };
    let ended = tokio::time::timeout(PATIENCE, async {
        tokio::select! {
            status = child.wait() => status.unwrap(),
            status = reading => status,
        }
    });
    let status = ended.await;
    let killed = matches!(&status, Ok(status) if status.signal() == Some(9));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (said, warned) = (text(&said), text(&warned));
    assert!(
        killed,
        "{point} is not reached: {status:?}\n{said}\n{warned}"
    );
}

/// What is there of an object store's directory, by name, with its size.
pub(super) fn objects(folder: &std::path::Path) -> BTreeMap<PathBuf, u64> {
    let mut found = BTreeMap::new();
    let mut left = vec![folder.to_owned()];
    while let Some(next) = left.pop() {
        for entry in std::fs::read_dir(&next).into_iter().flatten().flatten() {
            let path = entry.path();
            match entry.metadata() {
                Ok(meta) if meta.is_dir() => left.push(path),
                Ok(meta) => drop(found.insert(path, meta.len())),
                Err(_) => {}
            }
        }
    }
    found
}
