//! Answering at the local socket.

use std::future::Future;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdfast_types::Failure;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Reply;
use super::frame::{Verdict, read_document, write_body, write_document};
use crate::host::Host;

/// Questions answered at once: PostgreSQL asks one at a time per server.
const CONCURRENT: usize = 32;
/// How long a question may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

/// Answers questions of one kind.
pub trait Handler: Send + Sync + 'static {
    /// What is asked.
    type Question: DeserializeOwned + Send;
    /// What is answered.
    type Answer: Serialize + Send + Sync;

    /// Answers. An error reaches the caller as an error.
    fn answer(
        &self,
        question: Self::Question,
    ) -> impl Future<Output = Result<Reply<Self::Answer>, Failure>> + Send;
}

/// Listens at [`Host::socket_path`] and answers until `stop` fires. Only an
/// error that keeps it from listening at all is returned.
pub async fn serve<H: Handler>(host: Host, handler: H, stop: CancellationToken) -> io::Result<()> {
    let path = host.socket_path();
    let listener = listen(&path)?;
    let handler = Arc::new(handler);
    let places = Arc::new(Semaphore::new(CONCURRENT));
    let mut answering = JoinSet::new();
    loop {
        let stream = tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = answering.join_next() => continue,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, usually: it passes.
                    tracing::warn!(%error, "local socket accepts nothing now");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        let (host, handler, places) = (host.clone(), handler.clone(), places.clone());
        answering.spawn(async move {
            let _place = places.acquire().await;
            if let Err(error) = answer_one(stream, &host, &*handler).await {
                tracing::debug!(%error, "a local question got no answer");
            }
        });
    }
    // The name goes first, so that nobody connects to a socket nobody accepts.
    let removed = std::fs::remove_file(&path);
    answering.shutdown().await;
    removed
}

/// Takes the place of a socket that a killed process left behind: the lock on
/// the data directory proves that no other agent listens there.
fn listen(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    // PostgreSQL's user must reach an agent that runs as root; who it really
    // is, the kernel says at each connection.
    let mode = if rustix::process::geteuid().is_root() {
        0o666
    } else {
        0o660
    };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    Ok(listener)
}

async fn answer_one<H: Handler>(
    mut stream: UnixStream,
    host: &Host,
    handler: &H,
) -> io::Result<()> {
    let peer = stream.peer_cred()?;
    // Read in any case: whoever still writes when we hang up sees a broken
    // connection instead of our words.
    let asked = tokio::time::timeout(PATIENCE, read_document(&mut stream)).await;
    let asked = asked.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    let (verdict, body) = match asked {
        _ if !may_ask(host, peer.uid()) => decide(Err(refused(peer.uid()))),
        Ok(question) => decide(handler.answer(question).await),
        Err(error) => decide(Err(not_understood(&error))),
    };
    write_document(&mut stream, &verdict).await?;
    write_body(&mut stream, &body).await?;
    stream.shutdown().await
}

fn decide<A>(answered: Result<Reply<A>, Failure>) -> (Verdict<A>, Bytes) {
    match answered {
        Ok(Reply { answer, body }) => (Verdict::Answered(answer), body),
        Err(failure) => (Verdict::Failed(failure), Bytes::new()),
    }
}

fn may_ask(host: &Host, uid: u32) -> bool {
    uid == 0 || uid == rustix::process::geteuid().as_raw() || host.peers().is_allowed(uid)
}

fn not_understood(error: &io::Error) -> Failure {
    Failure::permanent(
        "local_question_invalid",
        format!("the agent did not understand the question: {error}"),
        "use the same version of holdfast-agent for the agent and for restore_command",
    )
}

fn refused(uid: u32) -> Failure {
    Failure::permanent(
        "local_peer_refused",
        format!("the agent does not answer the user with id {uid}"),
        "run this as the agent's user, or as the owner of a data directory that the agent works for",
    )
}
