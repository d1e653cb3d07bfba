//! Copies through the whole system: what is in another region restores when this one
//! is gone.

use std::path::Path;
use std::process::Command;

use holdfast_pg::testkit::major;
use holdfast_tests::fleet::{Fleet, LONG, Restored};
use holdfast_tests::ledger::{Ledger, assert_rows_up_to, rows};
use holdfast_tests::store::Store;
use holdfast_tests::until::until;
use serde_json::{Value, json};

/// The entry of the copy in the exposure of `orders`.
fn copy(fleet: &Fleet) -> Value {
    fleet.exposure()["repositories"][1].clone()
}

fn repositories(fleet: &Fleet, backup: &str) -> Value {
    fleet.cli.json(["backup", "show", backup])["repositories"].clone()
}

fn verify(fleet: &Fleet, folder: &Path) -> Value {
    let key = fleet.scratch.path().join("away.key");
    let text = key.display().to_string();
    let export = ["repository", "key", "export", "away", "--to-file", &text];
    let ran = fleet.cli.run(export);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let url = format!("file://{}", folder.display());
    let mut verify = Command::new(holdfast_tests::programs::program("holdfast-agent"));
    verify.args(["repo", "verify", "--repo", &url, "--key-file", &text]);
    let output = verify.args(["--deep", "-o", "json"]).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

#[test]
fn the_copy_restores_when_the_original_is_gone() {
    let fleet = Fleet::start(&major(18), Store::directory);
    let ledger = Ledger::start(&format!(
        "{} dbname=postgres",
        fleet.postgres.socket_conninfo()
    ));
    ledger.advance(10);
    let before = fleet.backup()["backup"].as_str().unwrap().to_owned();

    let folder = fleet.scratch.path().join("away");
    let repository = format!(
        "apiVersion: holdfast/v1
kind: Repository
metadata: {{name: away}}
spec: {{url: \"file://{}\"}}
",
        folder.display()
    );
    fleet.cli.apply(&repository);
    fleet.cli.apply(&format!(
        "{}  copies: [{{repository: away, within: 15m}}]\n",
        fleet.cluster_yaml()
    ));
    // What was there before is copied, and what comes.
    until("the first to be copied", LONG, || {
        (repositories(&fleet, &before) == json!(["away", "main"])).then_some(())
    });
    ledger.advance(10);
    let second = fleet.incremental()["backup"].as_str().unwrap().to_owned();
    until("the second to be copied", LONG, || {
        (repositories(&fleet, &second) == json!(["away", "main"])).then_some(())
    });
    ledger.advance(10);
    let written = ledger.stop();
    let end = *written.last().unwrap();
    until("the copy to reach as far", LONG, || {
        let copy = copy(&fleet);
        let frontier: jiff::Timestamp = copy["frontier"].as_str()?.parse().ok()?;
        (frontier > end.at && copy["copy"]["missing"] == 0).then_some(())
    });
    let shown = copy(&fleet);
    assert_eq!(shown["copy"]["late"], false, "{shown}");
    assert_eq!(shown["copy"]["trouble"], Value::Null, "{shown}");
    assert_eq!(shown["gaps"], json!([]), "{shown}");
    assert_eq!(verify(&fleet, &folder)["findings"], json!([]));

    // The region of the original is gone.
    let gone = fleet.store.folder().to_owned();
    std::fs::rename(&gone, gone.with_extension("gone")).unwrap();
    let dir = fleet.restore_dir("from-copy");
    let path = dir.display().to_string();
    let run = [
        "restore", "run", "orders", "--at", "latest", "--agent", "db1", "--dir", &path,
    ];
    let more = [
        "--repository",
        "away",
        "--start",
        "--wait",
        "--timeout",
        "3m",
    ];
    let done = fleet.cli.json(run.into_iter().chain(more));
    assert_eq!(done["state"], "succeeded", "{done}");
    let programs = fleet.postgres.programs().clone();
    let restored = Restored::adopt(done["result"].clone(), dir, programs);
    let found = rows(&restored.connection());
    assert_eq!(found.len(), written.len(), "all of them");
    assert_rows_up_to(&written, restored.reached(), &found);
    restored.check_pages();
    std::fs::rename(gone.with_extension("gone"), &gone).unwrap();
}
