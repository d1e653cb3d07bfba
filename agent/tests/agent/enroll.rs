//! Enrolment: what is refused, why, and that a refusal leaves nothing behind.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use holdfast_agent::command_error::{CommandError, Exit};
use holdfast_agent::config::{self, Flags};
use holdfast_agent::enroll::{Enrol, Enrolled, enrol};
use holdfast_agent::identity::Identity;
use tonic::Status;

use crate::control::{Ca, Control, EnrollAnswer, Setup};

async fn attempt(server: &str, token: &str, data: &Path) -> Result<Enrolled, CommandError> {
    let request = Enrol {
        server: server.to_owned(),
        token: token.parse().unwrap(),
        name: "db1".parse().unwrap(),
        region: Some("eu-west-1".to_owned()),
        data: data.to_owned(),
    };
    enrol(&request).await.map_err(CommandError::from)
}

#[tokio::test]
async fn a_token_becomes_a_certificate_and_settings() {
    let control = Control::start().await;
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("agent");
    let enrolled = attempt(&control.url(), &control.ca.token(), &data)
        .await
        .unwrap();
    assert_eq!(enrolled.region.as_deref(), Some("eu-west-1"));
    let request = control.enrolled.lock().unwrap().pop().unwrap();
    assert_eq!(
        (request.name.as_str(), request.region.as_str()),
        ("db1", "eu-west-1")
    );
    assert_eq!(request.token, control.ca.token());
    let mode = |name: &str| data.join(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("agent.key"), mode("agent.crt")), (0o600, 0o644));
    let config = config::load(&data, &Flags::default()).unwrap();
    assert_eq!(config.agent.id, enrolled.agent_id);
    assert_eq!(config.control.servers, [control.url()]);
    assert!(Identity::read(&data).unwrap().expires_at().is_some());

    let again = attempt(&control.url(), &control.ca.token(), &data)
        .await
        .unwrap_err();
    assert_eq!(
        (again.failure.code.as_str(), again.exit),
        ("already_enrolled", Exit::Refused)
    );
}

#[tokio::test]
async fn another_ca_is_refused_before_anything_is_sent() {
    let control = Control::start().await;
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("agent");
    let refused = attempt(&control.url(), &Ca::new().token(), &data)
        .await
        .unwrap_err();
    assert_eq!(
        (refused.failure.code.as_str(), refused.exit),
        ("ca_mismatch", Exit::Refused)
    );
    assert!(
        control.enrolled.lock().unwrap().is_empty(),
        "the token was not shown"
    );
    assert!(!data.exists(), "nothing is left");
}

#[tokio::test]
async fn the_right_ca_with_another_hosts_certificate_is_refused() {
    let setup = Setup {
        certified_name: "other.example",
        ..Setup::default()
    };
    let control = Control::start_with(setup).await;
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("agent");
    let refused = attempt(&control.url(), &control.ca.token(), &data)
        .await
        .unwrap_err();
    assert_eq!(refused.failure.code, "control_plane_unreachable");
    assert!(refused.failure.message.contains("certificate"), "{refused}");
    assert!(control.enrolled.lock().unwrap().is_empty());
}

#[tokio::test]
async fn refusals_of_the_control_plane_keep_their_code() {
    let mut named = Status::already_exists("the name db1 is taken");
    named
        .metadata_mut()
        .insert("holdfast-code", "agent_name_taken".parse().unwrap());
    named
        .metadata_mut()
        .insert("holdfast-hint", "choose another".parse().unwrap());
    let cases = [
        (named, "agent_name_taken", "choose another"),
        (
            Status::unauthenticated("the token expired"),
            "join_token_invalid",
            "token create",
        ),
    ];
    for (status, code, hint) in cases {
        let enroll = EnrollAnswer::Refuse(status);
        let control = Control::start_with(Setup {
            enroll,
            ..Setup::default()
        })
        .await;
        let directory = tempfile::tempdir().unwrap();
        // The directory was there before, so it stays; what we put in goes.
        let refused = attempt(&control.url(), &control.ca.token(), directory.path()).await;
        let refused = refused.unwrap_err();
        assert_eq!(
            (refused.failure.code.as_str(), refused.exit),
            (code, Exit::Refused)
        );
        assert!(refused.failure.hint.contains(hint), "{refused}");
        assert!(!refused.to_string().contains("s3cret"), "{refused}");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}

#[tokio::test]
async fn nobody_there_is_said_so() {
    let ca = Arc::new(Ca::new());
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", free.local_addr().unwrap());
    drop(free);
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("agent");
    let failed = attempt(&url, &ca.token(), &data).await.unwrap_err();
    assert_eq!(failed.failure.code, "control_plane_unreachable");
    assert_eq!(failed.exit, Exit::Failed);
    let plain = attempt("http://127.0.0.1:1", &ca.token(), &data)
        .await
        .unwrap_err();
    assert_eq!(
        (plain.failure.code.as_str(), plain.exit),
        ("server_url_invalid", Exit::Usage)
    );
}
