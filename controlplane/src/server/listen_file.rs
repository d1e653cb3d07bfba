//! `DATA/listen.json`: where a ready node listens.

use std::path::{Path, PathBuf};

use serde::Serialize;

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenFile {
    /// URL of REST.
    pub rest: String,
    /// URL of gRPC.
    pub grpc: String,
    /// URL of Raft.
    pub raft: String,
    /// The CA's certificate, PEM.
    pub ca_file: PathBuf,
}

/// The file's name in the data directory.
pub(super) const NAME: &str = "listen.json";

impl ListenFile {
    /// Writes it whole or not at all.
    pub(super) fn write(&self, data: &Path) -> std::io::Result<()> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        super::directory::write_atomically(&data.join(NAME), &text, 0o644)
    }

    /// Takes it away: the node is not ready, or not any more.
    pub(super) fn remove(data: &Path) -> std::io::Result<()> {
        match std::fs::remove_file(data.join(NAME)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}
