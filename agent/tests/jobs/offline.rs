//! `holdfast-agent repo`: the program itself, without an agent or a control
//! plane (I-09).

use std::path::Path;
use std::process::{Command, Output};

use holdfast_pg::sql::Session;
use holdfast_pg::testkit;
use serde_json::Value;

use crate::fixture::{Fixture, connect, name};
use crate::ledger::{Ledger, assert_rows};
use crate::oracle::promoted;

struct Offline {
    repo: String,
    key: String,
    bin_dir: String,
}

impl Offline {
    fn run(&self, verb: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(testkit::reachable(Path::new(env!(
            "CARGO_BIN_EXE_holdfast-agent"
        ))));
        command.args([
            "repo",
            verb,
            "--repo",
            &self.repo,
            "--key-file",
            &self.key,
            "-o",
            "json",
        ]);
        command.args(arguments).output().unwrap()
    }

    fn json(&self, verb: &str, arguments: &[&str]) -> Value {
        let output = self.run(verb, arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{verb}: {said}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    #[track_caller]
    fn refused(&self, verb: &str, arguments: &[&str], exit: i32) -> String {
        let output = self.run(verb, arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(exit), "{said}");
        assert!(output.stdout.is_empty());
        let error: Value = serde_json::from_str(&said).unwrap();
        assert!(error["hint"].is_string() && error["message"].is_string());
        error["code"].as_str().unwrap().to_owned()
    }

    fn restore<'a>(&'a self, at: &'a str, dir: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        let mut arguments = vec!["--cluster", "orders", "--at", at, "--dir", dir];
        arguments.extend(["--set", "fsync=off", "--bin-dir", &self.bin_dir]);
        arguments.extend(more);
        arguments
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repository_its_key_and_this_program_are_enough() {
    let mut fixture = Fixture::new(&testkit::major(18)).await;
    let root = fixture.cluster.root().to_owned();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let offline = Offline {
        repo: format!("file://{}", root.join("repo").display()),
        key: text(&root.join("repo.key")),
        bin_dir: text(fixture.cluster.programs().directory()),
    };
    assert_eq!(offline.refused("list", &[], 1), "key_file_unreadable");
    let made = offline.json("init", &[]);
    assert_eq!(
        (&made["created"], &made["keyCreated"]),
        (&true.into(), &true.into())
    );
    let key = std::fs::read_to_string(&offline.key).unwrap();
    assert_eq!(key.len(), 65);
    let again = offline.json("init", &[]);
    assert_eq!(again["repository"], made["repository"]);
    assert_eq!(
        (&again["created"], &again["keyCreated"]),
        (&false.into(), &false.into())
    );
    assert_eq!(offline.json("list", &[])["items"], serde_json::json!([]));
    let other = Offline {
        key: text(&root.join("other.key")),
        ..offline_copy(&offline)
    };
    assert_eq!(other.refused("init", &[], 1), "wrong_repository_key");
    assert!(
        !Path::new(&other.key).exists(),
        "no key is made for what is there"
    );

    fixture.access.key = holdfast_types::Secret::new(key.trim());
    let session = Session::connect(&fixture.cluster.local()).await.unwrap();
    let mut ledger = Ledger::new(session).await;
    let backup = fixture.archived_backup().await.backup.unwrap();
    let noted = ledger.write_many(20).await;
    fixture.archive().await;

    let listed = offline.json("list", &["--cluster", name().as_str()]);
    assert_eq!(listed["items"][0]["id"], backup.id.to_string());
    assert_eq!(listed["items"][0]["state"], "available");
    assert_eq!(listed["nextCursor"], Value::Null);
    let keys = offline.json("keys", &[]);
    assert!(keys["items"].as_array().unwrap().len() >= 3, "{keys}");
    assert_eq!(
        offline.json("verify", &["--deep"])["findings"],
        serde_json::json!([])
    );

    let dir = text(&root.join("copy"));
    let at = noted[10].at.to_string();
    let plan = offline.json("restore", &offline.restore(&at, &dir, &["--plan"]));
    assert_eq!(plan["backup"], backup.id.to_string());
    assert!(!Path::new(&dir).exists());
    let done = offline.json("restore", &offline.restore(&at, &dir, &["--start"]));
    let result = &done["result"];
    assert_eq!(
        (&done["state"], &result["dir"]),
        (&"succeeded".into(), &dir.as_str().into())
    );
    let port = u16::try_from(result["port"].as_u64().unwrap()).unwrap();
    let session = connect(Path::new(result["socketDir"].as_str().unwrap()), port).await;
    assert_rows(&session, noted[10].id).await;
    drop(session);
    let mut stop = fixture.cluster.program("pg_ctl");
    testkit::must_run(stop.args(["stop", "-m", "immediate", "-D", &dir]));

    refusals(&offline, &dir, &root, &noted[19].at.to_string());
    archive(&offline, &fixture, &at, noted[10].id).await;
}

/// What comes out of the archive starts wherever it lies.
async fn archive(offline: &Offline, fixture: &Fixture, at: &str, last: i64) {
    let root = fixture.cluster.root();
    let packed = root.join("packed");
    let dir = packed.to_str().unwrap();
    let tar = ["--format", "tar"];
    let started = [&tar[..], &["--start"]].concat();
    let refused = offline.refused("restore", &offline.restore(at, dir, &started), 2);
    assert_eq!(refused, "format_conflict");
    assert!(!packed.exists());
    let done = offline.json("restore", &offline.restore(at, dir, &tar));
    let file = packed.join("base.tar");
    assert_eq!(done["result"]["dir"], dir);
    assert_eq!(done["result"]["archive"], file.to_str().unwrap());
    let names = |dir: &Path| -> Vec<String> {
        let entries = std::fs::read_dir(dir).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    };
    assert_eq!(names(&packed), ["base.tar"]);
    assert!(!names(root).contains(&"packed.partial".to_owned()));
    let again = offline.refused("restore", &offline.restore(at, dir, &tar), 4);
    assert_eq!(again, "dir_not_empty");

    let data = fixture.directory("extracted");
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(&data, private).unwrap();
    let mut extract = Command::new("tar");
    testkit::must_run(extract.arg("-xpf").arg(&file).arg("-C").arg(&data));
    let mut verify = fixture.cluster.program("pg_verifybackup");
    testkit::must_run(
        verify
            .args(["--no-parse-wal", "--ignore=.holdfast"])
            .arg(&data),
    );
    let port = testkit::free_port();
    let options = format!("-p {port} -k {}", root.display());
    let mut start = fixture.cluster.program("pg_ctl");
    start.args(["start", "-w", "-t", "60", "-o", &options]);
    start.arg("-l").arg(root.join("extracted.log"));
    testkit::must_run(start.arg("-D").arg(&data));
    let session = connect(root, port).await;
    promoted(&session).await;
    assert_rows(&session, last).await;
    drop(session);
    let mut stop = fixture.cluster.program("pg_ctl");
    testkit::must_run(stop.args(["stop", "-m", "immediate", "-D"]).arg(&data));
}

fn refusals(offline: &Offline, dir: &str, root: &Path, late: &str) {
    let refused = |at: &str, dir: &str, exit: i32| {
        offline.refused("restore", &offline.restore(at, dir, &[]), exit)
    };
    let new = root.join("another");
    let new = new.to_str().unwrap();
    assert_eq!(refused("latest", dir, 4), "dir_not_empty");
    assert_eq!(
        refused("2020-01-01T00:00:00Z", new, 4),
        "target_before_first_backup"
    );
    assert_eq!(refused(late, new, 4), "target_after_frontier");
    let backup = "backup:bkp_00000000000000000000000000000007";
    assert_eq!(refused(backup, new, 3), "backup_not_found");
    let usage = offline.run("restore", &offline.restore("yesterday", new, &[]));
    assert_eq!(usage.status.code(), Some(2));
    assert!(!Path::new(new).exists());
}

fn offline_copy(offline: &Offline) -> Offline {
    Offline {
        repo: offline.repo.clone(),
        key: offline.key.clone(),
        bin_dir: offline.bin_dir.clone(),
    }
}
