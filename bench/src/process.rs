//! What the kernel says of processes and of the disk.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::stats::{number, rounded};

/// The kernel counts processor time in these (`USER_HZ`, the same everywhere).
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor time that a process has used, in seconds.
pub fn cpu_seconds(process: u32) -> Result<f64> {
    // utime and stime are the fields 14 and 15; the state behind the name is 3.
    times(&process.to_string(), 11)
}

/// Processor time of those children, and theirs, that this process has waited for.
pub fn cpu_seconds_of_children() -> Result<f64> {
    // cutime and cstime are the fields 16 and 17.
    times("self", 13)
}

/// The sum of two neighbouring times of `/proc/PROCESS/stat`, in seconds.
fn times(process: &str, first: usize) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name may hold anything, and ends with the last parenthesis.
    let (_, rest) = stat.rsplit_once(')').context("/proc/PID/stat")?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let ticks = |field: usize| -> Result<f64> {
        let text = fields.get(field).context("/proc/PID/stat")?;
        Ok(number(text.parse()?))
    };
    Ok((ticks(first)? + ticks(first + 1)?) / TICKS_PER_SECOND)
}

/// Memory that a process holds, in MiB.
pub fn resident_mib(process: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: u64 = line
        .and_then(|line| line.trim().strip_suffix(" kB"))
        .context("VmRSS in /proc/PID/status")?
        .parse()?;
    Ok(kib / 1024)
}

/// Flush requests that the disk below `folder` has completed, of whomever;
/// `None` when the kernel does not count them.
pub fn disk_flushes(folder: &Path) -> Option<u64> {
    let device = rustix::fs::stat(folder).ok()?.st_dev;
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let stat = fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/stat")).ok()?;
    // Documentation/block/stat.rst: the sixteenth number.
    stat.split_ascii_whitespace().nth(15)?.parse().ok()
}

/// What processes used over a stretch of time.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// How long it was, in seconds.
    pub seconds: f64,
    /// Cores that each kept busy; 1 is one whole core.
    pub cores: Vec<f64>,
    /// All together.
    pub cores_in_all: f64,
    /// Memory each held at the end, in MiB.
    pub resident_mib: Vec<u64>,
}

/// Measures what processes use from now on.
#[derive(Debug)]
pub struct Meter {
    processes: Vec<u32>,
    before: Vec<f64>,
    began: Instant,
}

impl Meter {
    /// Begins.
    pub fn start(processes: &[u32]) -> Result<Self> {
        let before: Result<Vec<f64>> = processes.iter().copied().map(cpu_seconds).collect();
        Ok(Self {
            processes: processes.to_vec(),
            before: before?,
            began: Instant::now(),
        })
    }

    /// Ends.
    pub fn stop(self) -> Result<Usage> {
        let seconds = self.began.elapsed().as_secs_f64();
        let mut cores = Vec::new();
        let mut resident = Vec::new();
        for (process, before) in self.processes.iter().zip(&self.before) {
            cores.push((cpu_seconds(*process)? - before) / seconds);
            resident.push(resident_mib(*process)?);
        }
        Ok(Usage {
            seconds: rounded(seconds),
            cores_in_all: rounded(cores.iter().sum()),
            cores: cores.into_iter().map(rounded).collect(),
            resident_mib: resident,
        })
    }
}

/// Measures for a while.
pub async fn usage(processes: &[u32], during: Duration) -> Result<Usage> {
    let meter = Meter::start(processes)?;
    tokio::time::sleep(during).await;
    meter.stop()
}

/// Lets this process and its children open as many files as they may: every
/// simulated agent has a socket.
pub fn raise_open_files() -> Result<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum;
    let raised = Rlimit {
        current: most,
        maximum: most,
    };
    setrlimit(Resource::Nofile, raised).context("raise the limit of open files")?;
    Ok(most.unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_something() {
        let me = std::process::id();
        let began = cpu_seconds(me).unwrap();
        let end = Instant::now() + Duration::from_millis(100);
        let mut work = 0u64;
        while Instant::now() < end {
            work = std::hint::black_box(work.wrapping_add(1));
        }
        assert!(cpu_seconds(me).unwrap() > began);
        assert!(resident_mib(me).unwrap() > 0);
    }
}
