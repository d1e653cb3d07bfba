//! `holdfast-agent repo copy`: what was copied restores without the original.

use std::path::Path;
use std::process::{Command, Output};

use holdfast_pg::sql::Session;
use holdfast_pg::testkit;
use serde_json::{Value, json};

use crate::fixture::{Fixture, connect, context, succeeded};
use crate::ledger::{Ledger, assert_rows};

fn repo(verb: &str, arguments: &[&str]) -> Output {
    let program = testkit::reachable(Path::new(env!("CARGO_BIN_EXE_holdfast-agent")));
    let mut command = Command::new(program);
    command.args(["repo", verb, "-o", "json"]);
    command.args(arguments).output().unwrap()
}

#[track_caller]
fn done(verb: &str, arguments: &[&str]) -> Value {
    let output = repo(verb, arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{verb}: {said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[track_caller]
fn refused(verb: &str, arguments: &[&str], exit: i32) -> String {
    let output = repo(verb, arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(exit), "{said}");
    let error: Value = serde_json::from_str(&said).unwrap();
    error["code"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_copied_restores_without_the_original() {
    let mut fixture = Fixture::new(&testkit::major(18)).await;
    let root = fixture.cluster.root().to_owned();
    let path = |name: &str| root.join(name).to_str().unwrap().to_owned();
    let (from, key) = (format!("file://{}", path("repo")), path("repo.key"));
    let (to, to_key) = (format!("file://{}", path("copy")), path("copy.key"));
    done("init", &["--repo", &from, "--key-file", &key]);
    let text = std::fs::read_to_string(&key).unwrap();
    fixture.access.key = holdfast_types::Secret::new(text.trim());
    let session = Session::connect(&fixture.cluster.local()).await.unwrap();
    let mut ledger = Ledger::new(session).await;
    let backup = fixture.archived_backup().await.backup.unwrap();
    ledger.write_many(20).await;
    fixture.archive().await;

    let base = ["--from", &from, "--key-file", &key, "--to", &to];
    let copy = |more: &[&'static str]| -> Vec<&str> {
        [&base[..], &["--to-key-file", to_key.as_str()], more].concat()
    };
    // A place that is no repository is not made one by a mistyped URL.
    assert_eq!(refused("copy", &copy(&[]), 1), "key_file_unreadable");
    done("init", &["--repo", &to, "--key-file", &to_key]);
    assert_eq!(
        refused("copy", &copy(&["--cluster", "nothing"]), 3),
        "cluster_not_in_repository"
    );
    let unknown = "backup:bkp_00000000000000000000000000000007";
    assert_eq!(
        refused("copy", &copy(&["--at", unknown]), 3),
        "backup_not_found"
    );
    assert_eq!(
        repo("copy", &copy(&["--at", "yesterday"])).status.code(),
        Some(2)
    );
    let itself = ["--from", &from, "--key-file", &key, "--to", &from];
    let itself = [&itself[..], &["--to-key-file", &key]].concat();
    assert_eq!(refused("copy", &itself, 4), "copy_onto_itself");

    let copied = done("copy", &copy(&["--at", "latest"]));
    assert_eq!(copied["copies"][0]["copied"], json!([backup.id]));
    assert_eq!(
        copied["copies"][0]["walEnds"], copied["copies"][0]["sourceWalEnds"],
        "the copy reaches as far"
    );
    // What comes later is all that is copied later.
    let noted = ledger.write_many(20).await;
    fixture.archive().await;
    let again = done("copy", &copy(&["--cluster", "orders"]));
    let again = &again["copies"][0];
    assert_eq!(again["there"], json!([backup.id]));
    assert_eq!(again["copied"], json!([]));
    assert_eq!(again["walEnds"], again["sourceWalEnds"]);
    assert!(again["copiedBytes"].as_u64() < copied["copies"][0]["copiedBytes"].as_u64());
    let nothing = done("copy", &copy(&[]));
    assert_eq!(nothing["copies"][0]["copiedBytes"], 0);

    // The region of the original is gone.
    std::fs::remove_dir_all(path("repo")).unwrap();
    let place = ["--repo", to.as_str(), "--key-file", to_key.as_str()];
    let listed = done("list", &place);
    assert_eq!(listed["items"][0]["id"], backup.id.to_string());
    let verified = done("verify", &[&place[..], &["--deep"]].concat());
    assert_eq!(verified["findings"], json!([]));
    let dir = path("restored");
    let bin_dir = fixture.cluster.programs().directory().to_str().unwrap();
    let restore = ["--cluster", "orders", "--at", "latest", "--dir", &dir];
    let more = ["--set", "fsync=off", "--bin-dir", bin_dir, "--start"];
    let restored = done("restore", &[&place[..], &restore, &more].concat());
    let result = &restored["result"];
    let port = u16::try_from(result["port"].as_u64().unwrap()).unwrap();
    let session = connect(Path::new(result["socketDir"].as_str().unwrap()), port).await;
    assert_rows(&session, noted[19].id).await;
    drop(session);
    let mut stop = fixture.cluster.program("pg_ctl");
    testkit::must_run(stop.args(["stop", "-m", "immediate", "-D", &dir]));
}

/// Files below a directory in whose path `part` is.
fn files(directory: &Path, part: &str) -> usize {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return 0;
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .map(|path| match path.is_dir() {
            true => files(&path, part),
            false => usize::from(path.to_str().unwrap().contains(part)),
        })
        .sum()
}

/// Read once: what a backup stores is put into its copies from memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_is_put_into_its_copies_as_it_is_taken() {
    let fixture = Fixture::new(&testkit::major(15)).await;
    let directory = fixture.cluster.root().join("away");
    let away = holdfast_proto::RepositoryAccess {
        name: "away".parse().unwrap(),
        url: format!("file://{}", directory.display()),
        key: holdfast_types::Secret::new("22".repeat(32)),
        ..fixture.access.clone()
    };
    let work = holdfast_proto::BackupWork {
        copies: vec![away.clone()],
        ..fixture.backup_work()
    };
    let taken = fixture.archived(work).await.backup.unwrap();
    // Nobody has waited for it: one pack at least is on its way.
    let put = async {
        while files(&directory, "/packs/") == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    let put = tokio::time::timeout(std::time::Duration::from_secs(60), put).await;
    put.expect("a pack in the copy");
    assert_eq!(files(&directory, "/marks/"), 0, "it is no backup there yet");

    let work = holdfast_proto::CopyWork {
        job: holdfast_types::JobId::from_uuid(uuid::Uuid::now_v7()),
        cluster: "orders".parse().unwrap(),
        lineage: taken.lineage,
        backup: taken.id,
        from: fixture.access.clone(),
        to: away,
    };
    succeeded(holdfast_agent::job::copy::run(work, context(), &fixture.host).await);
    assert_eq!(files(&directory, "/marks/"), 1);
}
