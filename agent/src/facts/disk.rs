//! The volume of a data directory, where the agent can see it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use holdfast_pg::control_file;
use holdfast_types::DiskFacts;

/// A data directory on this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Volume {
    /// Who owns the directory.
    pub(super) owner: u32,
    /// The volume it is on.
    pub(super) disk: DiskFacts,
}

/// The volume of `directory`, if that is on this host and is the data
/// directory of the server with this identifier: the path of a server on
/// another host may exist here too.
pub(super) fn volume(directory: &Path, system_identifier: u64) -> Option<Volume> {
    let bytes = fs::read(directory.join(control_file::PATH)).ok()?;
    // The identifier is the file's first field. The server may be writing the
    // rest at this moment, so no more is asked of it here.
    let first: [u8; 8] = bytes.get(..8)?.try_into().ok()?;
    if u64::from_ne_bytes(first) != system_identifier {
        return None;
    }
    let owner = fs::metadata(directory).ok()?.uid();
    let volume = rustix::fs::statvfs(directory).ok()?;
    let disk = DiskFacts {
        total_bytes: volume.f_blocks.saturating_mul(volume.f_frsize),
        free_bytes: volume.f_bavail.saturating_mul(volume.f_frsize),
    };
    Some(Volume { owner, disk })
}
