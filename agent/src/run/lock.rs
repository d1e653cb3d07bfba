//! One agent per directory.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use holdfast_types::Failure;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::command_error::CommandError;

/// Locks the agent's directory for as long as the file is open. The lock ends
/// with the process, however that ends.
pub(super) fn take(data: &Path) -> Result<File, CommandError> {
    let path = data.join("agent.lock");
    let unusable = |error: std::io::Error| {
        CommandError::failed(Failure::permanent(
            "directory_unusable",
            format!("{} cannot be written: {error}", path.display()),
            "run this as the user that owns the agent's directory",
        ))
    };
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600);
    let file = options.open(&path).map_err(unusable)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(Errno::WOULDBLOCK) => Err(CommandError::refused(Failure::permanent(
            "already_running",
            format!("another holdfast-agent runs with {}", data.display()),
            "stop it first, or use another --data",
        ))),
        Err(errno) => Err(unusable(errno.into())),
    }
}
