//! What the host itself must allow and have.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use holdfast_pg::binaries::Programs;
use holdfast_pg::control_file;

use super::Finding;

/// Whether we may read the data directory and the configuration beside it.
pub(super) fn access(directory: Option<&Path>, files: &[&Path]) -> Vec<Finding> {
    let Some(directory) = directory else {
        // The right that shows it is a finding already.
        return Vec::new();
    };
    let mut found = Vec::new();
    match File::open(directory.join(control_file::PATH)) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            found.push(unreadable(directory));
        }
        Err(error) => {
            found.push(Finding::new(
                "data_directory_missing",
                format!(
                    "{} is not a data directory on this host: {error}",
                    directory.display()
                ),
                ["run the agent on the host of the server, or set dataDirectory of the instance"],
            ));
            return found;
        }
    }
    for file in files.iter().filter(|file| !file.starts_with(directory)) {
        if let Err(error) = File::open(file) {
            found.push(Finding::new(
                "configuration_unreadable",
                format!(
                    "{} cannot be read, so it would be missing from backups: {error}",
                    file.display()
                ),
                [format!("chmod o+r {}", file.display())],
            ));
        }
    }
    found
}

fn unreadable(directory: &Path) -> Finding {
    let owner = fs::metadata(directory).map(|metadata| metadata.uid());
    let owner = owner.map_or_else(|_| "postgres".to_owned(), user_name);
    let message = format!(
        "{} cannot be read by user {}: backups must run as its owner",
        directory.display(),
        user_name(rustix::process::geteuid().as_raw())
    );
    Finding::new(
        "data_directory_unreadable",
        message,
        [format!(
            "run the agent as {owner}: in its systemd unit, User={owner}"
        )],
    )
}

/// The user's name, else its number.
fn user_name(uid: u32) -> String {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, id) = (fields.next()?, fields.nth(1)?);
        (id.parse() == Ok(uid)).then(|| name.to_owned())
    });
    named.unwrap_or_else(|| uid.to_string())
}

/// Whether PostgreSQL's programs of that version are here, for restores.
pub(super) async fn programs(major: u32, bin_dirs: &[PathBuf]) -> Option<Finding> {
    let bin_dirs = bin_dirs.to_vec();
    let found = tokio::task::spawn_blocking(move || Programs::find(major, &bin_dirs)).await;
    let error = found.ok()?.err()?;
    Some(Finding::new(
        error.code(),
        format!("{error}: no restore can be started on this host"),
        [format!(
            "apt-get install postgresql-{major}, or name the directory in postgres.binDirs of agent.toml"
        )],
    ))
}
