//! The link: readiness, liveness, the clock, reconnecting, plans.

use std::time::Duration;

use holdfast_pg::testkit::{TestCluster, major};
use holdfast_proto::v1;
use holdfast_proto::v1::agent_message::Message as Up;
use holdfast_proto::v1::control_message::Message as Down;
use holdfast_types::{DiscoveredInstance, Failure};

use crate::control::{Control, Heartbeats, Setup};
use crate::rig::{Event, Rig, all, backup, file_is};

#[tokio::test]
async fn readiness_follows_the_session() {
    let mut control = Control::start().await;
    let rig = Rig::enrolled(&control).await;
    let ready = rig.data().join("ready.json");
    std::fs::write(&ready, "left by a killed agent").unwrap();
    let agent = rig.start();
    let session = control.session().await;
    assert_eq!(session.hello.version, env!("CARGO_PKG_VERSION"));
    let written = tokio::time::timeout(crate::control::PATIENCE, async {
        loop {
            let text = std::fs::read(&ready).unwrap_or_default();
            if let Ok(json) = serde_json::from_slice::<serde_json::Value>(&text) {
                return json;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let json = written.await.unwrap();
    assert_eq!(
        (&json["server"], &json["name"]),
        (&control.url().into(), &"db1".into())
    );
    assert!(
        json["socket"]
            .as_str()
            .unwrap()
            .ends_with("agent/agent.sock"),
        "{json}"
    );
    let boot = session.hello.boot_id.clone();
    drop(session);
    let again = control.session().await;
    assert_eq!(again.hello.boot_id, boot, "a reconnect is no restart");
    agent.stop().await;
    assert!(!ready.exists());
    let agent = rig.start();
    assert_ne!(control.session().await.hello.boot_id, boot);
    agent.stop().await;
}

#[tokio::test]
async fn a_silent_control_plane_is_left() {
    let heartbeats = Heartbeats {
        answered: false,
        lost_after_ms: 1_000,
        ..Heartbeats::default()
    };
    let mut control = Control::start_with(Setup {
        heartbeats,
        ..Setup::default()
    })
    .await;
    let rig = Rig::enrolled(&control).await;
    let agent = rig.start();
    control.session().await.ended().await;
    control.session().await;
    agent.stop().await;
}

#[tokio::test]
async fn another_server_is_tried_when_one_is_gone() {
    let mut control = Control::start().await;
    let rig = Rig::enrolled(&control).await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = format!("https://{}", free.local_addr().unwrap());
    drop(free);
    let mut config = rig.config();
    config.control.servers = vec![gone, control.url()];
    let agent = rig.start_with(config);
    control.session().await;
    // Whoever comes first in the list, the living one is found.
    control.session().await;
    agent.stop().await;
}

#[tokio::test]
async fn plans_do_not_wait_for_each_other() {
    let mut control = Control::start().await;
    let rig = Rig::enrolled(&control).await;
    let mut agent = rig.start();
    let mut session = control.session().await;
    for (request_id, cluster) in [(1, "slow"), (2, "quick")] {
        let request =
            serde_json::json!({"cluster": cluster, "at": "latest", "agent": "db1", "dir": "/d"});
        let repository = v1::RepositoryAccess {
            name: "eu".to_owned(),
            url: "file:///nowhere".to_owned(),
            ..v1::RepositoryAccess::default()
        };
        let plan = v1::PlanRequest {
            request_id,
            repository: Some(repository),
            request_json: request.to_string(),
            ..v1::PlanRequest::default()
        };
        session.send(Down::Plan(plan)).await;
    }
    let mut wanted = Vec::new();
    for _ in 0..2 {
        let Event::Plan(cluster, answer) = agent.event().await else {
            panic!("not a plan")
        };
        wanted.push((cluster, answer));
    }
    let quick = wanted
        .iter()
        .position(|(cluster, _)| cluster == "quick")
        .unwrap();
    wanted
        .remove(quick)
        .1
        .send(Failure::permanent("no", "no", "no"))
        .unwrap();
    session.plan(2).await;
    wanted
        .remove(0)
        .1
        .send(Failure::permanent("no", "no", "no"))
        .unwrap();
    session.plan(1).await;
    agent.stop().await;
}

#[tokio::test]
async fn one_agent_per_directory() {
    let mut control = Control::start().await;
    let rig = Rig::enrolled(&control).await;
    let agent = rig.start();
    let _session = control.session().await;
    let data = rig.data();
    let second = holdfast_agent::run::run_until(
        &data,
        rig.config(),
        std::sync::Arc::new(holdfast_agent::work::LocalRunner),
        tokio_util::sync::CancellationToken::new(),
    );
    let refused = Box::pin(second).await.unwrap_err();
    assert_eq!(refused.failure.code, "already_running");
    agent.stop().await;
}

#[tokio::test]
async fn progress_shows_phase_bytes_and_fresh_lines() {
    let mut control = Control::start().await;
    let rig = Rig::enrolled(&control).await;
    let mut agent = rig.start();
    let mut session = control.session().await;
    session.assign(&all(&[backup(1, 1)])).await;
    let job = agent.job().await;
    job.context.expect_bytes(100);
    job.context.add_bytes(40);
    job.context.log("forty of a hundred");
    let mut lines = Vec::new();
    let bytes = loop {
        let progress = session
            .next(|message| match message {
                v1::agent_message::Message::Progress(progress) => Some(progress.clone()),
                _ => None,
            })
            .await;
        assert_eq!(progress.phase, "copy");
        lines.extend(progress.log);
        if progress.bytes_done > 0 {
            break (progress.bytes_done, progress.bytes_total);
        }
    };
    assert_eq!(bytes, (40, 100));
    assert_eq!(
        lines,
        ["phase copy", "forty of a hundred"],
        "each line once"
    );
    file_is(&rig.data().join("ready.json"), true).await;
    agent.stop().await;
}

/// Nobody declared it, and nothing is told to observe it: it is found all the same.
#[tokio::test]
async fn a_server_that_nobody_declared_is_found() {
    let cluster = TestCluster::builder(&major(15)).start();
    let data = cluster.data_dir().canonicalize().unwrap();
    let mut control = Control::start().await;
    let rig = Rig::enrolled(&control).await;
    let agent = rig.start();
    let mut session = control.session().await;
    let found = session
        .next(|message| {
            let Up::Instances(report) = message else {
                return None;
            };
            assert!(report.looked_around || report.discovered_json.is_empty());
            let found = report.discovered_json.iter();
            let mut found = found.map(|json| serde_json::from_str(json).unwrap());
            found.find(|one: &DiscoveredInstance| one.data_directory == data.display().to_string())
        })
        .await;
    assert!(found.running, "{found:?}");
    assert_eq!(found.version.as_deref(), Some("15"));
    let known = cluster.psql("SELECT system_identifier FROM pg_control_system()");
    assert_eq!(found.system_identifier, Some(known));
    let shown = cluster.psql("SHOW port");
    assert_eq!(found.port.map(|port| port.to_string()), Some(shown));
    // Where the server says it listens, it is reached.
    let place = found.connection().replace("user=holdfast", "user=postgres");
    let mut client = cluster.program("psql");
    let answered = client
        .args(["-XAtqc", "SELECT 1", &place])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&answered.stdout), "1\n", "{place}");
    agent.stop().await;
}
