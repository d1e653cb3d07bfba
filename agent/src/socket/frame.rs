//! Frames on the local socket.

use std::io;

use bytes::Bytes;
use holdfast_types::Failure;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Documents are small; more than this is not one of ours.
const DOCUMENT_MAX: usize = 1 << 20;
/// The largest WAL segment PostgreSQL knows is 1 GiB.
const BODY_MAX: u64 = 1 << 30;

/// What comes back: every reply is one of these two, so that no failure can be
/// taken for an answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Verdict<A> {
    /// The question was answered.
    Answered(A),
    /// It was not.
    Failed(Failure),
}

pub(super) async fn write_document<T: Serialize>(
    stream: &mut (impl AsyncWrite + Unpin),
    document: &T,
) -> io::Result<()> {
    let json = serde_json::to_vec(document)?;
    let length = u32::try_from(json.len())
        .ok()
        .filter(|_| json.len() <= DOCUMENT_MAX);
    let length = length.ok_or_else(|| broken("a document is too large"))?;
    stream.write_all(&length.to_be_bytes()).await?;
    stream.write_all(&json).await
}

pub(super) async fn read_document<T: DeserializeOwned>(
    stream: &mut (impl AsyncRead + Unpin),
) -> io::Result<T> {
    let length = usize::try_from(stream.read_u32().await?).unwrap_or(usize::MAX);
    if length > DOCUMENT_MAX {
        return Err(broken("a document is too large"));
    }
    let mut json = vec![0; length];
    stream.read_exact(&mut json).await?;
    serde_json::from_slice(&json).map_err(io::Error::from)
}

pub(super) async fn write_body(
    stream: &mut (impl AsyncWrite + Unpin),
    body: &Bytes,
) -> io::Result<()> {
    stream.write_u64(body.len() as u64).await?;
    stream.write_all(body).await
}

pub(super) async fn read_body(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Bytes> {
    let length = stream.read_u64().await?;
    let size = usize::try_from(length).ok().filter(|_| length <= BODY_MAX);
    let mut body = vec![0; size.ok_or_else(|| broken("a body is too large"))?];
    stream.read_exact(&mut body).await?;
    Ok(body.into())
}

fn broken(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}
