//! A node that is stopped, killed, or started where another runs.

use std::process::Stdio;
use std::time::Duration;

use holdfastd::server::{self, StartError};
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};

use crate::node::{Node, config, eventually, policy, repository};

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let mut node = Node::start().await;
    node.apply(json!([repository(), policy()]))
        .await
        .expect(200);
    node.put("/api/v1/secrets/s", json!({"value": "geheim"}))
        .await
        .expect(201);
    let key = node
        .post("/api/v1/repositories/eu/key/export", json!({}))
        .await
        .expect(200);
    let before = node.get("/api/v1/policies/gold").await.expect(200);
    node.restart().await;
    assert_eq!(node.get("/api/v1/policies/gold").await.expect(200), before);
    // The login, the sealing key and the CA are the same ones.
    let again = node
        .post("/api/v1/repositories/eu/key/export", json!({}))
        .await
        .expect(200);
    assert_eq!(again, key);
    node.stop().await;
}

#[tokio::test]
async fn a_directory_that_holds_no_node_is_an_error() {
    let data = tempfile::tempdir().unwrap();
    let refused = server::start(config(data.path()), false)
        .await
        .err()
        .unwrap();
    assert!(matches!(refused, StartError::NotPrepared(_)), "{refused}");
    assert!(refused.hint().contains("--bootstrap"));
    assert!(
        !data.path().join("data").exists(),
        "a refused start leaves nothing behind"
    );
}

#[tokio::test]
async fn a_second_process_on_the_directory_is_refused() {
    let mut node = Node::start().await;
    let refused = server::start(config(node.data.path()), false)
        .await
        .err()
        .unwrap();
    assert!(refused.to_string().contains("in use"), "{refused}");
    let mut taken = config(tempfile::tempdir().unwrap().path());
    taken.listen.rest = node.rest.strip_prefix("http://").unwrap().parse().unwrap();
    let refused = server::start(taken, true).await.err().unwrap();
    assert!(
        matches!(refused, StartError::Listen { what: "rest", .. }),
        "{refused}"
    );
    node.stop().await;
}

struct Process {
    child: Child,
    rest: String,
}

async fn run(data: &std::path::Path, bootstrap: bool) -> Process {
    let listen = data.join("listen.json");
    // One that was killed could not take it away.
    let _ = std::fs::remove_file(&listen);
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfastd"));
    command.arg("run").arg("--data").arg(data);
    for flag in ["--rest", "--grpc", "--raft"] {
        command.arg(flag).arg("127.0.0.1:0");
    }
    if bootstrap {
        command.arg("--bootstrap");
    }
    let child = command
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let rest = eventually("listen.json", || async {
        let text = std::fs::read_to_string(&listen).ok()?;
        let listen: serde_json::Value = serde_json::from_str(&text).unwrap();
        Some(listen["rest"].as_str().unwrap().to_owned())
    })
    .await;
    Process { child, rest }
}

#[tokio::test]
async fn a_killed_node_loses_nothing_acknowledged_and_sigterm_ends_it_cleanly() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut process = run(&data, true).await;
    let password = std::fs::read_to_string(data.join("bootstrap-admin")).unwrap();
    let password = password
        .trim_end()
        .strip_prefix("admin:")
        .unwrap()
        .to_owned();
    let client = reqwest::Client::new();
    let login = client
        .post(format!("{}/api/v1/auth/login", process.rest))
        .json(&json!({"user": "admin", "password": password}));
    let login: serde_json::Value = login.send().await.unwrap().json().await.unwrap();
    let token = login["accessToken"].as_str().unwrap().to_owned();
    for number in 0..20 {
        let put = client
            .put(format!("{}/api/v1/secrets/s{number}", process.rest))
            .bearer_auth(&token)
            .json(&json!({"value": "geheim"}));
        assert_eq!(put.send().await.unwrap().status(), 201);
    }
    process.child.kill().await.unwrap(); // I-01
    let mut process = run(&data, false).await;
    let list = client
        .get(format!("{}/api/v1/secrets", process.rest))
        .bearer_auth(&token);
    let list: serde_json::Value = list.send().await.unwrap().json().await.unwrap();
    assert_eq!(list["items"].as_array().unwrap().len(), 20);
    let pid = i32::try_from(process.child.id().unwrap()).unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(10), process.child.wait());
    assert_eq!(
        ended.await.expect("it did not end in time").unwrap().code(),
        Some(0)
    );
    assert!(!data.join("listen.json").exists());
    let mut log = String::new();
    process
        .child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut log)
        .await
        .unwrap();
    assert!(
        !log.contains("geheim") && !log.contains(&password) && !log.contains(&token),
        "{log}"
    );
    for line in log.lines() {
        assert!(!line.contains("ERROR") && !line.contains("WARN"), "{line}");
    }
}
