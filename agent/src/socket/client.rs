//! Asking the agent of this host.

use std::io;
use std::path::{Path, PathBuf};

use holdfast_types::Failure;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;

use super::Reply;
use super::frame::{Verdict, read_body, read_document, write_document};

/// Why there is no answer. None of these says anything about what was asked
/// for.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Nobody listens, or we may not connect.
    #[error("the agent does not answer at {}", path.display())]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The connection broke, or what came back is not a reply.
    #[error("the agent at {} gave no whole reply", path.display())]
    Broken {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The agent could not answer.
    #[error("the agent could not answer: {0}")]
    Failed(Failure),
}

impl CallError {
    /// What happened, for a person.
    pub fn failure(&self) -> Failure {
        let message = crate::failure::chain(self);
        let hint = "check that the agent runs (`holdfast-agent run`) and that this process runs \
                    as the agent's user or as the owner of the data directory";
        match self {
            Self::Unreachable { .. } => Failure::transient("agent_unreachable", message, hint),
            Self::Broken { .. } => Failure::transient("agent_reply_broken", message, hint),
            Self::Failed(failure) => failure.clone(),
        }
    }
}

/// Asks one question at the socket `path`.
pub async fn call<Q: Serialize, A: DeserializeOwned>(
    path: &Path,
    question: &Q,
) -> Result<Reply<A>, CallError> {
    let connected = UnixStream::connect(path).await;
    let stream = connected.map_err(|source| CallError::Unreachable {
        path: path.to_path_buf(),
        source,
    })?;
    let reply = exchange(stream, question).await;
    let verdict = reply.map_err(|source| CallError::Broken {
        path: path.to_path_buf(),
        source,
    })?;
    match verdict {
        (Verdict::Answered(answer), body) => Ok(Reply { answer, body }),
        (Verdict::Failed(failure), _) => Err(CallError::Failed(failure)),
    }
}

async fn exchange<Q: Serialize, A: DeserializeOwned>(
    mut stream: UnixStream,
    question: &Q,
) -> io::Result<(Verdict<A>, bytes::Bytes)> {
    write_document(&mut stream, question).await?;
    stream.flush().await?;
    let verdict = read_document(&mut stream).await?;
    let body = read_body(&mut stream).await?;
    Ok((verdict, body))
}
