//! Telling others whether the agent is connected: `DIR/ready.json` for
//! scripts, notifications for systemd.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sd_notify::NotifyState;
use serde::Serialize;

use crate::config::Config;
use crate::file::{remove, write_atomically};

const FILE: &str = "ready.json";
/// systemd would stop an agent that waits for its control plane, and WAL
/// receiving with it (I-08): after this time it is told that we work.
const WITHOUT_CONTROL_PLANE: Duration = Duration::from_secs(10);

/// The file exists exactly while a session is up.
#[derive(Debug, Clone)]
pub struct Readiness {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    socket: PathBuf,
    name: String,
    agent_id: String,
    started: Instant,
    notified: AtomicBool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Ready<'a> {
    agent_id: &'a str,
    name: &'a str,
    server: &'a str,
    connected_at: Timestamp,
    socket: &'a Path,
    pid: u32,
}

impl Readiness {
    /// Not connected yet: a file left by an earlier process goes.
    pub fn new(data: &Path, config: &Config) -> Self {
        let inner = Inner {
            path: data.join(FILE),
            socket: data.join("agent.sock"),
            name: config.agent.name.to_string(),
            agent_id: config.agent.id.to_string(),
            started: Instant::now(),
            notified: AtomicBool::new(false),
        };
        let readiness = Self {
            inner: Arc::new(inner),
        };
        readiness.withdraw();
        readiness
    }

    /// A session with `server` is up.
    pub fn up(&self, server: &str) {
        let Inner {
            path,
            socket,
            name,
            agent_id,
            ..
        } = &*self.inner;
        let connected_at = Timestamp::now();
        let ready = Ready {
            agent_id,
            name,
            server,
            connected_at,
            socket,
            pid: std::process::id(),
        };
        let written = serde_json::to_vec(&ready)
            .map_err(std::io::Error::from)
            .and_then(|json| write_atomically(path, &json, 0o644));
        if let Err(error) = written {
            tracing::warn!(%error, file = %path.display(), "readiness is not written");
        }
        self.working(&format!("connected to {server}"));
    }

    /// There is no session yet, and why.
    pub fn waiting(&self, why: &str) {
        if self.inner.started.elapsed() >= WITHOUT_CONTROL_PLANE {
            self.working(why);
        } else {
            notify(&[NotifyState::Status(why)]);
        }
    }

    /// The session is gone.
    pub fn down(&self, why: &str) {
        self.withdraw();
        notify(&[NotifyState::Status(why)]);
    }

    fn working(&self, status: &str) {
        if self.inner.notified.swap(true, Ordering::Relaxed) {
            notify(&[NotifyState::Status(status)]);
        } else {
            notify(&[NotifyState::Ready, NotifyState::Status(status)]);
        }
    }

    fn withdraw(&self) {
        if let Err(error) = remove(&self.inner.path) {
            tracing::warn!(%error, file = %self.inner.path.display(), "not removed");
        }
    }
}

/// Tells systemd that the end has begun.
pub(super) fn stopping() {
    notify(&[NotifyState::Stopping]);
}

/// Without systemd there is nobody to tell.
fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "systemd is not notified");
    }
}
