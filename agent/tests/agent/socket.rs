//! The local socket: a failure is never an answer.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

use bytes::Bytes;
use holdfast_agent::host::{Host, HostConfig};
use holdfast_agent::socket::{CallError, Handler, Reply, call, serve};
use holdfast_types::Failure;
use tokio_util::sync::CancellationToken;

use crate::rig::file_is;

struct Lengths;

impl Handler for Lengths {
    type Question = String;
    type Answer = usize;

    async fn answer(&self, question: String) -> Result<Reply<usize>, Failure> {
        match question.as_str() {
            "fail" => Err(Failure::transient("broken", "it is broken", "wait")),
            "panic" => panic!("a defect of the handler"),
            other => Ok(Reply::with_body(other.len(), Bytes::from(vec![7; 3 << 20]))),
        }
    }
}

async fn asked(path: &Path, question: &str) -> Result<Reply<usize>, CallError> {
    call(path, &question).await
}

#[tokio::test]
async fn answers_come_whole_and_failures_as_failures() {
    let directory = tempfile::tempdir().unwrap();
    let host = Host::with_executable(directory.path(), HostConfig::default(), "/agent");
    let path = host.socket_path();
    let stop = CancellationToken::new();
    // A socket that a killed agent left is no hindrance.
    drop(UnixListener::bind(&path).unwrap());
    let serving = tokio::spawn(serve(host, Lengths, stop.clone()));
    while asked(&path, "").await.is_err() {
        tokio::task::yield_now().await;
    }
    let reply = asked(&path, "four").await.unwrap();
    assert_eq!((reply.answer, reply.body.len()), (4, 3 << 20));
    let mode = path.metadata().unwrap().permissions().mode() & 0o777;
    let root = rustix::process::geteuid().is_root();
    assert_eq!(mode, if root { 0o666 } else { 0o660 });
    let failed = asked(&path, "fail").await.unwrap_err();
    assert!(
        matches!(&failed, CallError::Failed(failure) if failure.code == "broken"),
        "{failed}"
    );
    let cut = asked(&path, "panic").await.unwrap_err();
    assert!(matches!(cut, CallError::Broken { .. }), "{cut}");
    let not_asked = call::<_, usize>(&path, &serde_json::json!({"other": "version"})).await;
    let failure = not_asked.unwrap_err().failure();
    assert_eq!(failure.code, "local_question_invalid");

    stop.cancel();
    serving.await.unwrap().unwrap();
    file_is(&path, false).await;
    let gone = asked(&path, "four").await.unwrap_err();
    assert_eq!(gone.failure().code, "agent_unreachable");
}

#[tokio::test]
async fn a_reply_that_is_cut_anywhere_is_no_reply() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("agent.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let json = br#"{"answered":4}"#;
    let mut whole = u32::try_from(json.len()).unwrap().to_be_bytes().to_vec();
    whole.extend_from_slice(json);
    whole.extend_from_slice(&5u64.to_be_bytes());
    whole.extend_from_slice(b"bytes");
    let replies = whole.clone();
    let server = std::thread::spawn(move || {
        for length in 0..=replies.len() {
            let (mut stream, _) = listener.accept().unwrap();
            let mut question = [0; 6];
            stream.read_exact(&mut question).unwrap();
            stream.write_all(&replies[..length]).unwrap();
        }
    });
    for length in 0..whole.len() {
        let cut = asked(&path, "").await;
        assert!(
            matches!(cut, Err(CallError::Broken { .. })),
            "{length}: {cut:?}"
        );
    }
    assert_eq!(asked(&path, "").await.unwrap().answer, 4);
    server.join().unwrap();
}

#[tokio::test]
async fn strangers_are_refused() {
    if !rustix::process::geteuid().is_root() {
        // Only root can ask as somebody else; the mode keeps others out then.
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let host = Host::with_executable(directory.path(), HostConfig::default(), "/agent");
    let path = host.socket_path();
    let stop = CancellationToken::new();
    let serving = tokio::spawn(serve(host.clone(), Lengths, stop.clone()));
    file_is(&path, true).await;
    assert!(said_to_nobody(&path).await.contains("local_peer_refused"));
    host.peers().allow(65_534);
    assert!(said_to_nobody(&path).await.contains(r#"{"answered":4}"#));
    stop.cancel();
    serving.await.unwrap().unwrap();
}

/// What the agent says to a process of the user 65534.
async fn said_to_nobody(path: &Path) -> String {
    let script = format!(
        "use IO::Socket::UNIX; my $s = IO::Socket::UNIX->new(Peer => '{}') or die $!; \
         print $s pack('N/a*', '\"four\"'); $s->flush; \
         read($s, my $n, 4); read($s, my $reply, unpack('N', $n)); print $reply;",
        path.display()
    );
    let output = tokio::process::Command::new("setpriv")
        .args([
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "perl",
            "-e",
            &script,
        ])
        .output()
        .await
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
