//! Removing what runs left behind that could not clean up after themselves.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::PREFIX;

/// Removes namespaces and mounts of processes that are gone.
pub fn clean_up() {
    for name in names() {
        let owner = name.trim_start_matches(PREFIX).split('-').next();
        if owner.is_some_and(is_gone) {
            remove_space(&name);
        }
    }
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    for line in mounts.lines() {
        let mut words = line.split(' ');
        let (Some(source), Some(at)) = (words.next(), words.next()) else {
            continue;
        };
        if source.strip_prefix(PREFIX).is_some_and(is_gone) {
            let lazily = rustix::mount::UnmountFlags::DETACH;
            let _ = rustix::mount::unmount(at, lazily);
        }
    }
}

fn is_gone(process: &str) -> bool {
    process.parse::<u32>().is_ok() && !Path::new("/proc").join(process).exists()
}

fn names() -> Vec<String> {
    let entries = fs::read_dir("/run/netns").into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name.starts_with(PREFIX)).collect()
}

/// Removes the namespaces of one network.
pub(super) fn remove_spaces(prefix: &str) {
    for name in names().iter().filter(|name| name.starts_with(prefix)) {
        remove_space(name);
    }
}

fn remove_space(name: &str) {
    // It may be gone already; what matters is that it is.
    drop(Command::new("ip").args(["netns", "delete", name]).output());
}
