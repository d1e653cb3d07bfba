//! The program itself: exit codes, output for scripts, help.

use std::path::Path;
use std::process::{Command, Output};

use crate::control::{Ca, Control};
use crate::rig::Rig;

fn agent(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast-agent"));
    command
        .args(arguments)
        .env_remove("HOLDFAST_JOIN_TOKEN")
        .env_remove("PGPASSWORD")
        .env_remove("HOLDFAST_DATA");
    command
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stderr)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_malformed_token_is_a_usage_error_with_a_code() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("agent");
    let arguments = [
        "enroll",
        "--server",
        "https://127.0.0.1:1",
        "--name",
        "db1",
        "--data",
        path(&data),
    ];
    let output = agent(&arguments)
        .args(["-o", "json", "--token", "hfj1.x"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(json(&output)["code"], "join_token_malformed");
    let unreachable = agent(&arguments)
        .args(["--token", &Ca::new().token()])
        .output()
        .unwrap();
    assert_eq!(unreachable.status.code(), Some(1));
    let text = String::from_utf8(unreachable.stderr).unwrap();
    assert!(
        text.contains("[control_plane_unreachable]") && text.contains("hint:"),
        "{text}"
    );
    assert!(!data.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_checked_and_named() {
    let control = Control::start().await;
    let rig = Rig::enrolled(&control).await;
    let data = rig.data();
    let check = ["config", "check", "--data", path(&data), "-o", "json"];
    let output = agent(&check)
        .env("HOLDFAST_LOG__LEVEL", "debug")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        shown["config"]["log"]["level"], "debug",
        "the environment wins over the file"
    );

    let wrong = agent(&check)
        .env("HOLDFAST_LOG__COLOUR", "red")
        .output()
        .unwrap();
    assert_eq!(wrong.status.code(), Some(1));
    let message = json(&wrong)["message"].as_str().unwrap().to_owned();
    assert!(
        message.contains("log.colour") && message.contains("environment"),
        "{message}"
    );

    let file = data.join("agent.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("binDirs", "binDir")).unwrap();
    let unknown = agent(&check).output().unwrap();
    let message = json(&unknown)["message"].as_str().unwrap().to_owned();
    assert!(
        message.contains("postgres.binDir") && message.contains("agent.toml"),
        "{message}"
    );
}

#[test]
fn a_directory_of_nobody_is_said_to_be_one() {
    let directory = tempfile::tempdir().unwrap();
    let output = agent(&["run", "--data", path(directory.path())])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.contains("[not_enrolled]") && text.contains("enroll --server"),
        "{text}"
    );
}

#[test]
fn doctor_exits_with_1_when_something_is_missing() {
    let directory = tempfile::tempdir().unwrap();
    let connection = "host=/nowhere user=holdfast";
    let arguments = ["doctor", "--connection", connection, "-o", "json", "--data"];
    let output = agent(&arguments).arg(directory.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        shown["items"][0]["findings"][0]["code"], "pg_unreachable",
        "{shown}"
    );
    assert_eq!(shown["nextCursor"], serde_json::Value::Null);
}

/// PostgreSQL would take 2, clap's own code, for the end of WAL.
// Pitfall 17
#[test]
fn a_misspelt_restore_command_does_not_end_recovery() {
    for arguments in [&["wal-fetch"][..], &["wal-fetch", "--nonsense"]] {
        let output = agent(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{arguments:?}");
        assert!(!output.stderr.is_empty());
    }
    assert!(
        agent(&["wal-fetch", "--help"])
            .output()
            .unwrap()
            .status
            .success()
    );
}

#[test]
fn help_and_version_need_nothing() {
    let version = agent(&["--version"]).output().unwrap();
    let text = String::from_utf8(version.stdout).unwrap();
    assert_eq!(
        text.trim(),
        format!("holdfast-agent {}", env!("CARGO_PKG_VERSION"))
    );
    let help = String::from_utf8(agent(&["--help"]).output().unwrap().stdout).unwrap();
    for command in ["enroll", "run", "config", "doctor", "repo", "wal-fetch"] {
        assert!(help.contains(command), "{command} in {help}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_ends_it_with_0() {
    let mut control = Control::start().await;
    let rig = Rig::enrolled(&control).await;
    let data = rig.data();
    let mut child = agent(&["run", "--data", path(&data)]).spawn().unwrap();
    let session = control.session().await;
    crate::rig::file_is(&data.join("ready.json"), true).await;
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    session.ended().await;
    let status = tokio::task::spawn_blocking(move || child.wait().unwrap())
        .await
        .unwrap();
    assert_eq!(status.code(), Some(0));
    assert!(!data.join("ready.json").exists());
}
