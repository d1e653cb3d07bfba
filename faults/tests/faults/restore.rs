//! A restore that was reported as done survives a power cut of its disk (I-12):
//! what it says must be on the disk, not on its way there.

use std::path::{Path, PathBuf};
use std::time::Duration;

use holdfast_faults::disk::{Disk, Keep, Names};
use holdfast_faults::privilege;
use holdfast_pg::binaries::RunAs;
use holdfast_pg::testkit::{free_port, give_to_server_user, major};
use holdfast_tests::fleet::{Fleet, Restored};
use holdfast_tests::ledger::{Ledger, rows};
use holdfast_tests::store::Store;
use holdfast_tests::until::until;
use jiff::Timestamp;
use rustix::process::{Pid, Signal};

const LONG: Duration = Duration::from_secs(60);

/// Something to restore, and a disk for it that can lose its power.
struct Target {
    // In the order in which they must end.
    disk: Disk,
    fleet: Fleet,
    expected: Vec<i64>,
}

fn target() -> Option<Target> {
    if !privilege::ready() {
        return None;
    }
    let fleet = Fleet::start(&major(15), Store::directory);
    // The test server does not sync; what is restored from it has to.
    fleet.postgres.psql("ALTER SYSTEM SET fsync = on");
    let place = fleet.scratch.path().join("fast");
    std::fs::create_dir(&place).unwrap();
    give_to_server_user(&place);
    fleet.postgres.psql(&format!(
        "CREATE TABLESPACE fast LOCATION '{}'\n\
         CREATE TABLE spread TABLESPACE fast AS SELECT generate_series(1, 10000) AS i",
        place.display()
    ));
    let ledger = Ledger::start(&fleet.postgres.socket_conninfo());
    ledger.advance(20);
    fleet.backup();
    ledger.advance(20);
    let entries = ledger.stop();
    fleet.wait_frontier(Timestamp::now());
    let at = fleet.scratch.path().join("disk");
    let images = fleet.scratch.path().join("disk-images");
    let disk = Disk::mount(&at, &images, Names::Strict).unwrap();
    give_to_server_user(&at);
    // The folder a user made long before is on the disk for good.
    let folder = std::fs::File::open(&at).unwrap();
    folder.sync_all().unwrap();
    Some(Target {
        disk,
        expected: (1..=entries.last().unwrap().id).collect(),
        fleet,
    })
}

impl Target {
    /// Restores to the latest point; what the job said.
    fn restore(&self, options: &[&str]) -> (PathBuf, serde_json::Value) {
        let dir = self.disk.path().join("restored");
        let path = dir.display().to_string();
        let run = [
            "restore", "run", "orders", "--at", "latest", "--agent", "db1", "--dir", &path,
        ];
        let wait = ["--wait", "--timeout", "3m"];
        let disk = self.disk.path().display();
        let elsewhere = ["fast", "pg_wal"].map(|what| format!("{what}={disk}/{what}"));
        let map = elsewhere.iter().flat_map(|pair| ["--tablespace-map", pair]);
        let map: Vec<&str> = map.collect();
        let all = run.iter().chain(options).chain(&map).chain(&wait);
        let done = self.fleet.cli.json(all.copied());
        assert_eq!(done["state"], "succeeded", "{done}");
        (dir, done["result"].clone())
    }

    /// Starts PostgreSQL in `dir`, which must hold every row by itself or by
    /// the recovery that was prepared.
    fn start(&self, dir: &Path) -> Restored {
        let programs = self.fleet.postgres.programs().clone();
        let run_as = RunAs::owner_of(dir).unwrap();
        let port = free_port();
        let socket = self.fleet.postgres.socket_dir().display().to_string();
        let mut start = programs.blocking_command("pg_ctl", run_as);
        start.args(["start", "-w", "-t", "60", "-D"]).arg(dir);
        start.arg("-l").arg(dir.with_extension("log"));
        start.args(["-o", &format!("-p {port} -k '{socket}'")]);
        let ran = start.output().unwrap();
        let log = std::fs::read_to_string(dir.with_extension("log")).unwrap_or_default();
        assert!(ran.status.success(), "{}: {log}", ran.status);
        let result = serde_json::json!({ "port": port, "socketDir": socket });
        Restored::adopt(result, dir.to_owned(), programs)
    }

    fn check(&self, restored: &Restored) {
        until("PostgreSQL to promote itself", LONG, || {
            (restored.psql("SELECT pg_is_in_recovery()") == "f").then_some(())
        });
        assert_eq!(rows(&restored.connection()), self.expected);
        assert_eq!(restored.psql("SELECT count(*) FROM spread"), "10000");
        restored.check_pages();
    }
}

// Pitfall 27
#[test]
fn a_restored_directory_survives_a_power_cut() {
    let Some(mut target) = target() else { return };
    let (dir, _) = target.restore(&[]);
    target.disk.power_cut(&mut Keep::Nothing).unwrap();
    let restored = target.start(&dir);
    target.check(&restored);
}

// Pitfall 27
#[test]
fn a_restored_and_promoted_server_survives_a_power_cut() {
    let Some(mut target) = target() else { return };
    let (dir, result) = target.restore(&["--start"]);
    assert!(!result["port"].is_null(), "{result}");
    let pid = std::fs::read_to_string(dir.join("postmaster.pid")).unwrap();
    let pid: i32 = pid.lines().next().unwrap().parse().unwrap();
    // Its children end when they notice that it is gone.
    rustix::process::kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    target.disk.power_cut(&mut Keep::Nothing).unwrap();
    // After a reboot no process has that id; here it may be a zombie for a while.
    std::fs::remove_file(dir.join("postmaster.pid")).unwrap();
    let restored = target.start(&dir);
    target.check(&restored);
}
