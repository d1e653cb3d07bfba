//! The machine that a row was measured on.

use std::fs;
use std::path::Path;

use serde::Serialize;

/// What of a machine makes its numbers differ from another's.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    /// Its processor.
    pub processor: String,
    /// Its cores.
    pub cores: usize,
    /// Its memory in MiB.
    pub memory_mib: u64,
    /// Its kernel.
    pub kernel: String,
    /// The file system the data of the run was on.
    pub file_system: String,
    /// How much others had to do when the run began: processes that wanted to
    /// run, on average of the last minute.
    pub load_before: f64,
}

impl Machine {
    /// This one, with data in `folder`.
    pub fn here(folder: &Path) -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let cpu = read("/proc/cpuinfo");
        let processor = value(&cpu, "model name", ':').unwrap_or_default();
        let memory = value(&read("/proc/meminfo"), "MemTotal", ':').unwrap_or_default();
        let memory_kib: u64 = memory
            .trim_end_matches(" kB")
            .trim()
            .parse()
            .unwrap_or_default();
        let load = read("/proc/loadavg");
        let load = load.split_ascii_whitespace().next().unwrap_or_default();
        Self {
            processor,
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_mib: memory_kib / 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            file_system: file_system(folder),
            load_before: load.parse().unwrap_or_default(),
        }
    }
}

fn value(text: &str, key: &str, separator: char) -> Option<String> {
    text.lines()
        .filter_map(|line| line.split_once(separator))
        .find(|(name, _)| name.trim() == key)
        .map(|(_, value)| value.trim().to_owned())
}

/// The type of the mount that `folder` is on.
fn file_system(folder: &Path) -> String {
    let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let of = |line: &str| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (at, kind) = (fields.next()?.to_owned(), fields.next()?.to_owned());
        folder.starts_with(&at).then_some((at.len(), kind))
    };
    let longest = mounts.lines().filter_map(of).max();
    longest.map(|(_, kind)| kind).unwrap_or_default()
}
