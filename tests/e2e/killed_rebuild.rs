//! A `rebuild` that is killed in the middle, and then again.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use holdfast_pg::testkit::major;
use holdfast_tests::control_plane::{Addresses, Rebuild};
use holdfast_tests::fleet::{Fleet, LONG};
use holdfast_tests::programs::program;
use holdfast_tests::store::Store;
use serde_json::json;

use crate::rebuild::kept;

#[test]
fn a_killed_rebuild_leaves_nothing_that_starts_and_is_run_again() {
    let mut fleet = Fleet::start(&major(15), Store::directory);
    let backup = fleet.backup()["backup"].clone();
    let from = kept(&fleet);
    fleet.control_plane.kill();
    fleet.agent.kill();
    let data = fleet.control_plane.data().to_owned();
    std::fs::remove_dir_all(&data).unwrap();

    // Before the keys, before the log, and before the commands in it.
    for reached in ["unfinished", "raft", "bootstrap-admin"] {
        kill_at(&from, &data, reached);
        for flags in [&[][..], &["--bootstrap"]] {
            starts_nothing(&data, flags);
        }
        let again = from.run(&data, &Addresses::any());
        let said = String::from_utf8_lossy(&again.stderr).into_owned();
        assert_eq!(again.status.code(), Some(4), "{said}");
        assert!(said.contains("is not empty"), "{said}");
        std::fs::remove_dir_all(&data).unwrap();
    }

    let made = fleet.control_plane.rebuild(&from);
    assert_eq!(made["findings"], json!([]), "{made}");
    fleet.cli = fleet.control_plane.cli();
    let backups = fleet.cli.json(["backup", "list", "orders"]);
    let items = backups["items"].as_array().unwrap();
    let found = items.iter().map(|one| (&one["id"], &one["state"]));
    let found: Vec<_> = found.collect();
    assert_eq!(found, [(&backup, &json!("available"))]);
}

/// Kills it as soon as this name is in its directory: it has more to do then.
fn kill_at(from: &Rebuild, data: &Path, reached: &str) {
    let mut rebuild = from.start(data, &Addresses::any());
    let began = Instant::now();
    while !data.join(reached).exists() {
        let late = began.elapsed() > LONG || rebuild.ended().is_some();
        assert!(!late, "no {reached}: {}", rebuild.log());
    }
    rebuild.kill();
    let whole = !data.join("unfinished").exists();
    assert!(!whole, "too late for {reached}: {}", rebuild.log());
}

fn starts_nothing(data: &Path, flags: &[&str]) {
    let mut run = Command::new(program("holdfastd"));
    run.args(["run", "--data"]).arg(data).args(flags);
    for listener in ["--rest", "--grpc", "--raft"] {
        run.args([listener, "127.0.0.1:0"]);
    }
    let ran = run.output().expect("holdfastd starts");
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(!ran.status.success(), "{flags:?}: {said}");
    assert!(said.contains("ended in the middle"), "{flags:?}: {said}");
    assert!(said.contains("delete the directory"), "{flags:?}: {said}");
    assert!(data.join("unfinished").exists());
}
