//! Servers that rest, where the packages of Debian and of Red Hat put them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::job::conf_setting;

/// The data directories that packages have made below `root`.
pub(super) fn data_directories(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    // Debian: /etc/postgresql/15/main/postgresql.conf says where the data is.
    for cluster in below(&root.join("etc/postgresql"), 2) {
        found.extend(configured(&cluster.join("postgresql.conf")));
    }
    found.extend(below(&root.join("var/lib/postgresql"), 2));
    // Red Hat: /var/lib/pgsql/data, and /var/lib/pgsql/15/data from PostgreSQL's own.
    let pgsql = root.join("var/lib/pgsql");
    found.push(pgsql.join("data"));
    let versions = below(&pgsql, 1).into_iter();
    found.extend(versions.map(|version| version.join("data")));
    found.retain(|path| path.is_dir());
    found
}

/// The directories so many levels below one.
fn below(directory: &Path, levels: usize) -> Vec<PathBuf> {
    let mut found = vec![directory.to_owned()];
    for _ in 0..levels {
        let entries = found.iter().filter_map(|path| fs::read_dir(path).ok());
        let paths = entries
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path()));
        found = paths.filter(|path| path.is_dir()).collect();
    }
    found
}

fn configured(file: &Path) -> Option<PathBuf> {
    let text = fs::read(file).ok()?;
    let mut settings = text.split(|byte| *byte == b'\n').filter_map(conf_setting);
    // The last one counts, as for the server.
    let directory = settings.rfind(|(name, _)| name == "data_directory");
    directory.map(|(_, value)| PathBuf::from(value))
}
