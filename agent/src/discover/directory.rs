//! What a data directory says of its server.

use std::fs;
use std::path::Path;

use holdfast_pg::control_file;
use holdfast_types::DiscoveredInstance;

/// Describes the server of a data directory; `None` when there is no database in
/// it. Of one that has a process but may not be looked into, its place is said.
pub(super) fn describe(path: &Path, has_process: bool) -> Option<DiscoveredInstance> {
    let version = fs::read_to_string(path.join("PG_VERSION"));
    let version = version.ok().map(|text| text.trim().to_owned());
    if version.is_none() && !has_process {
        return None;
    }
    let listens = has_process.then(|| listens(path)).flatten();
    let (port, socket_directory) = listens.unwrap_or_default();
    Some(DiscoveredInstance {
        data_directory: path.to_str()?.to_owned(),
        running: has_process,
        version,
        system_identifier: system_identifier(path).map(|id| id.to_string()),
        port,
        socket_directory,
    })
}

/// The identifier is the control file's first field.
fn system_identifier(path: &Path) -> Option<u64> {
    let bytes = fs::read(path.join(control_file::PATH)).ok()?;
    let first: [u8; 8] = bytes.get(..8)?.try_into().ok()?;
    Some(u64::from_ne_bytes(first))
}

/// Port and socket directory, as the server wrote them (`miscadmin.h`,
/// `LOCK_FILE_LINE_PORT` and the one after it).
fn listens(path: &Path) -> Option<(Option<u16>, Option<String>)> {
    let text = fs::read_to_string(path.join("postmaster.pid")).ok()?;
    let mut lines = text.lines().skip(3);
    let port = lines.next().and_then(|line| line.trim().parse().ok());
    let socket = lines.next().map(|line| line.trim().to_owned());
    Some((port, socket.filter(|directory| !directory.is_empty())))
}
