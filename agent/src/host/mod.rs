//! What the agent's process knows of itself and its surroundings.
//!
//! A [`Host`] is made once and handed to every job, duty and handler. It is
//! cheap to clone and holds no work of its own: where the data lies, what time
//! it is for the control plane, whether a session is up, and the repositories
//! that are open.

mod clock;
mod hooks;
mod peers;
mod repositories;
mod session;
mod slots;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use holdfast_proto::RepositoryAccess;
use holdfast_repo::Repository;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

pub use clock::{Clock, Offset, Sample};
pub(crate) use hooks::problem as hook_problem;
pub use hooks::{HookConfig, Hooks};
pub use peers::Peers;
pub use session::SessionState;
pub use slots::SlotTroubles;

use crate::wal::Registry;
use repositories::{Absent, Repositories};

/// Settings that the agent's work depends on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HostConfig {
    /// How PostgreSQL's own programs are found.
    pub postgres: PostgresConfig,
    /// What restores may run here.
    pub hooks: Hooks,
}

/// How PostgreSQL's own programs are found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PostgresConfig {
    /// Directories that hold `postgres`, `pg_ctl` and the others; looked at
    /// before `pg_config` and Debian's paths.
    pub bin_dirs: Vec<PathBuf>,
}

/// The context of the process.
#[derive(Debug, Clone)]
pub struct Host {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    data_dir: PathBuf,
    config: HostConfig,
    executable: PathBuf,
    clock: Clock,
    peers: Peers,
    session: watch::Sender<SessionState>,
    wal: Registry,
    slots: SlotTroubles,
    repositories: Repositories,
}

impl Host {
    /// The context of a process that keeps its state in `data_dir`. Its own
    /// program is asked of the operating system.
    pub fn new(data_dir: impl Into<PathBuf>, config: HostConfig) -> io::Result<Self> {
        Ok(Self::with_executable(
            data_dir,
            config,
            std::env::current_exe()?,
        ))
    }

    /// The same, with another program for `restore_command` than the one that
    /// runs (tests run inside another).
    pub fn with_executable(
        data_dir: impl Into<PathBuf>,
        config: HostConfig,
        executable: impl Into<PathBuf>,
    ) -> Self {
        let data_dir = data_dir.into();
        let inner = Inner {
            repositories: Repositories::new(&data_dir),
            data_dir,
            config,
            executable: executable.into(),
            clock: Clock::new(),
            peers: Peers::new(),
            session: watch::Sender::new(SessionState::default()),
            wal: Registry::default(),
            slots: SlotTroubles::default(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// The agent's own directory.
    pub fn data_dir(&self) -> &Path {
        &self.inner.data_dir
    }

    /// The socket on which the agent answers `wal-fetch`.
    pub fn socket_path(&self) -> PathBuf {
        self.inner.data_dir.join("agent.sock")
    }

    /// Settings that the work depends on.
    pub fn config(&self) -> &HostConfig {
        &self.inner.config
    }

    /// The `holdfast-agent` program, for `restore_command`.
    pub fn executable(&self) -> &Path {
        &self.inner.executable
    }

    /// The time as the control plane has it, as far as it has been measured.
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// Which other users of this host may ask at the local socket. A restore
    /// allows the owner of the directory it makes.
    pub fn peers(&self) -> &Peers {
        &self.inner.peers
    }

    /// The state of the session, and every change of it. Dangerous acts ask
    /// [`SessionState::has_quorum_within`] (I-04).
    pub fn session(&self) -> watch::Receiver<SessionState> {
        self.inner.session.subscribe()
    }

    /// Told by the session what became of it.
    pub fn set_session(&self, state: SessionState) {
        self.inner.session.send_replace(state);
    }

    /// The WAL duties of this process.
    pub fn wal(&self) -> &Registry {
        &self.inner.wal
    }

    /// What is wrong with the slots that are kept here.
    pub fn slots(&self) -> &SlotTroubles {
        &self.inner.slots
    }

    /// The repository of `access`, to write: opened once per access, and
    /// initialised by the first agent that needs it. A failure is not
    /// remembered.
    pub async fn repository(
        &self,
        access: &RepositoryAccess,
    ) -> Result<Arc<Repository>, holdfast_repo::Error> {
        self.inner.repositories.open(access, Absent::Init).await
    }

    /// The repository of `access`, to read: one that is not there is an error.
    pub async fn existing_repository(
        &self,
        access: &RepositoryAccess,
    ) -> Result<Arc<Repository>, holdfast_repo::Error> {
        self.inner.repositories.open(access, Absent::Refuse).await
    }
}
