//! `holdfastd restore-state`: a control plane made anew from a snapshot of its
//! state, when all of its nodes are lost.
//!
//! It makes the only node of a new group. What is needed is tried before
//! anything is made; `node.toml` is written last: a directory has it exactly
//! when the state was restored. Nothing of the old group is asked, and nothing
//! of it is let in: its nodes' ids are former ones, and the new group has an
//! id of its own in every certificate of its nodes.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use holdfast_consensus::{Member, Node, NodeId, OpenError, ProposeContext, StateView};
use holdfast_repo::{
    Repository, RepositoryKey, RepositoryUrl, StateMark, StateSnapshots, StoreOptions, open_store,
};
use holdfast_state::command::RestoreState;
use holdfast_state::{Cause, Principal, query, schema};
use holdfast_types::{ControlPlaneId, RequestId, StateSnapshotId};
use jiff::Timestamp;
use uuid::Uuid;

use super::identity::{NodeFile, Paths};
use super::join::{self, JoinError};
use super::run::{self, StartError};
use crate::config::Config;
use crate::secure::{Authority, Purpose, SealError, Sealer};

/// What a state is restored from.
#[derive(Debug, Clone)]
pub struct RestoreFrom {
    /// The repository.
    pub url: String,
    /// The file of its key.
    pub key_file: PathBuf,
    /// The sealing key of the lost nodes.
    pub sealing_key_file: PathBuf,
    /// Whose state; needed when the repository holds several.
    pub control_plane: Option<ControlPlaneId>,
    /// Which snapshot; the newest when it is not said.
    pub snapshot: Option<StateSnapshotId>,
}

/// What was restored.
#[derive(Debug)]
pub struct RestoredState {
    /// The node it is on.
    pub node: u64,
    /// Its name.
    pub name: String,
    /// What it came from.
    pub mark: StateMark,
    /// How many jobs were under way.
    pub ended: u64,
}

/// Why a state was not restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The directory.
    #[error(transparent)]
    Directory(#[from] JoinError),
    /// The repository, or an object in it.
    #[error(transparent)]
    Repository(#[from] holdfast_repo::Error),
    /// No snapshot is there.
    #[error("{0} holds no snapshot of a control plane's state")]
    NoSnapshot(String),
    /// Which one is not clear.
    #[error("{url} holds the state of several control planes: {found}")]
    Several {
        /// Where.
        url: String,
        /// Their ids.
        found: String,
    },
    /// There is no such snapshot.
    #[error("{url} holds no snapshot {wanted} of {control_plane}")]
    Unknown {
        /// Where.
        url: String,
        /// Which was wanted.
        wanted: StateSnapshotId,
        /// Whose.
        control_plane: ControlPlaneId,
    },
    /// A newer program took it.
    #[error(
        "{id} was taken by release {release} at feature level {level}; this program knows {known}"
    )]
    TooNew {
        /// The snapshot.
        id: StateSnapshotId,
        /// The release that took it.
        release: String,
        /// Its level.
        level: u32,
        /// Ours.
        known: u32,
    },
    /// Another sealing key.
    #[error("{} is not the sealing key of the nodes that took {id}", path.display())]
    WrongSealingKey {
        /// The file.
        path: PathBuf,
        /// The snapshot.
        id: StateSnapshotId,
    },
    /// The state refused.
    #[error("the restored state refuses: {0}")]
    Refused(String),
    /// This host.
    #[error(transparent)]
    Local(#[from] StartError),
}

impl RestoreError {
    /// Stable, snake_case.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Directory(_) => "node_directory_not_empty",
            Self::Repository(error) => error.code(),
            Self::NoSnapshot(_) => "no_state_snapshot",
            Self::Several { .. } => "control_plane_not_named",
            Self::Unknown { .. } => "state_snapshot_unknown",
            Self::TooNew { .. } => "state_snapshot_too_new",
            Self::WrongSealingKey { .. } => "wrong_sealing_key",
            Self::Refused(_) => "state_restore_refused",
            Self::Local(_) => "node_directory_unusable",
        }
    }

    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Directory(error) => error.hint(),
            Self::Repository(error @ holdfast_repo::Error::Damaged { .. }) => format!(
                "{}; or restore an older one: name it with --snapshot",
                error.hint()
            ),
            Self::Repository(error) => error.hint().to_owned(),
            Self::NoSnapshot(_) => {
                "check the URL; `holdfast snapshot schedule` must have been on, for this \
                 repository. If no snapshot is left, `holdfastd rebuild` makes a catalog of the \
                 repositories alone"
                    .to_owned()
            }
            Self::Several { .. } => "name one with --control-plane".to_owned(),
            Self::Unknown { .. } => "leave --snapshot out to take the newest".to_owned(),
            Self::TooNew { .. } => "install the release that took it, or a newer one".to_owned(),
            Self::WrongSealingKey { .. } => "give the copy of DATA/sealing.key of one of the lost \
                 nodes: they all had the same"
                .to_owned(),
            Self::Refused(_) => "set the clock of this host right, and try again".to_owned(),
            Self::Local(error) => error.hint(),
        }
    }

    /// Whether nothing was changed because of what was given.
    pub const fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Directory(JoinError::NotEmpty { .. } | JoinError::AlreadyJoined(..))
                | Self::NoSnapshot(_)
                | Self::Several { .. }
                | Self::Unknown { .. }
                | Self::TooNew { .. }
                | Self::WrongSealingKey { .. }
                | Self::Repository(holdfast_repo::Error::WrongKey { .. })
        )
    }
}

/// Restores the state into the empty directory of `config`.
pub async fn restore_state(
    config: &Config,
    from: &RestoreFrom,
) -> Result<RestoredState, RestoreError> {
    let paths = Paths::new(&config.node.data);
    let sealing_key = Sealer::read_key(&from.sealing_key_file).map_err(StartError::from)?;
    let key = RepositoryKey::read(&from.key_file)?;
    let url: RepositoryUrl = from.url.parse()?;
    join::prepare(&paths)?;
    let store = open_store(&url, &StoreOptions::default())?;
    let repository = Repository::open(store, &key, None).await?;
    let snapshots = choose_control_plane(&repository, from).await?;
    let mark = choose_snapshot(&snapshots, from).await?;
    let check = Sealer::check_of(&sealing_key);
    let wrong_key = || RestoreError::WrongSealingKey {
        path: from.sealing_key_file.clone(),
        id: mark.id,
    };
    if mark.facts.sealing_key_check != check {
        return Err(wrong_key());
    }
    paths.begin()?;
    let source = paths.data().join("restoring.db");
    fetch(&snapshots, &mark, &source).await?;
    let state = Node::read_copy(&source).await.map_err(StartError::from)?;
    let found = look(&state).await?;
    let ca_key = found.sealing(&sealing_key).map_err(|error| match error {
        SealError::Foreign(_) => wrong_key(),
        other => StartError::from(other).into(),
    })?;
    let node = NodeFile {
        id: found.next_node,
        name: config
            .node
            .name
            .clone()
            .unwrap_or_else(|| format!("node-{}", found.next_node)),
        peers: Vec::new(),
        group: Some(Uuid::now_v7().simple().to_string()),
    };
    Sealer::keep(&paths.sealing_key(), &sealing_key).map_err(StartError::from)?;
    let authority = Authority::new(found.ca, &ca_key).map_err(super::identity::pki)?;
    paths.renew_certificate(&authority, &node, config)?;
    let ended = begin(config, &paths, &node, (&mark, &url), &source).await?;
    std::fs::remove_file(&source).map_err(|error| StartError::io("delete", &source, error))?;
    paths.write_node(&node)?;
    paths.finish()?;
    Ok(RestoredState {
        node: node.id,
        name: node.name,
        mark,
        ended,
    })
}

async fn choose_control_plane(
    repository: &Repository,
    from: &RestoreFrom,
) -> Result<StateSnapshots, RestoreError> {
    if let Some(id) = from.control_plane {
        return Ok(repository.state_snapshots(id));
    }
    let found = repository.control_planes().await?;
    match found.as_slice() {
        [] => Err(RestoreError::NoSnapshot(from.url.clone())),
        [one] => Ok(repository.state_snapshots(*one)),
        several => Err(RestoreError::Several {
            url: from.url.clone(),
            found: several
                .iter()
                .map(ControlPlaneId::to_string)
                .collect::<Vec<_>>()
                .join(", "),
        }),
    }
}

async fn choose_snapshot(
    snapshots: &StateSnapshots,
    from: &RestoreFrom,
) -> Result<StateMark, RestoreError> {
    let listed = snapshots.list().await?;
    // Their ids begin with the time.
    let newest = *listed
        .last()
        .ok_or_else(|| RestoreError::NoSnapshot(from.url.clone()))?;
    let wanted = from.snapshot.unwrap_or(newest);
    if !listed.contains(&wanted) {
        return Err(RestoreError::Unknown {
            url: from.url.clone(),
            wanted,
            control_plane: snapshots.control_plane(),
        });
    }
    let mark = snapshots.mark(wanted).await?;
    if mark.facts.level > schema::NEWEST {
        return Err(RestoreError::TooNew {
            id: mark.id,
            release: mark.facts.release,
            level: mark.facts.level,
            known: schema::NEWEST,
        });
    }
    Ok(mark)
}

/// Brings the state here, every part checked, readable by nobody else.
async fn fetch(
    snapshots: &StateSnapshots,
    mark: &StateMark,
    to: &Path,
) -> Result<(), RestoreError> {
    let failed = |error| StartError::io("write", to, error);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)
        .map_err(failed)?;
    snapshots.read(mark, |part| file.write_all(part)).await?;
    file.sync_all().map_err(failed)?;
    Ok(())
}

/// What must be known of the state before a node is made of it.
struct Found {
    ca: String,
    ca_key: holdfast_state::Sealed,
    next_node: u64,
}

impl Found {
    fn sealing(&self, key: &[u8; 32]) -> Result<zeroize::Zeroizing<Vec<u8>>, SealError> {
        Sealer::from_key(key)?.unseal(&Purpose::CaKey, &self.ca_key)
    }
}

async fn look(state: &StateView) -> Result<Found, StartError> {
    let other = |error: holdfast_state::StateError| StartError::Other(error.into());
    let connection = state.connection();
    let pki = query::pki(connection).await.map_err(other)?;
    let pki = pki.ok_or_else(|| StartError::Other("the state holds no CA".into()))?;
    let nodes = query::nodes(connection).await.map_err(other)?;
    let newest = nodes.iter().map(|node| node.id).max().unwrap_or(1);
    connection
        .close_by_ref()
        .await
        .map_err(|error| StartError::Other(error.into()))?;
    Ok(Found {
        ca: pki.ca_certificate,
        ca_key: pki.ca_key,
        next_node: newest + 1,
    })
}

/// Where a node that does not run yet will be reached.
pub(super) fn member(config: &Config) -> Member {
    let at = |address: std::net::SocketAddr| {
        format!("{}:{}", config.listen.host_of(address), address.port())
    };
    Member {
        raft: at(config.listen.raft),
        grpc: at(config.listen.grpc),
        rest: at(config.listen.rest),
    }
}

/// Makes the group, and tells its state that it went back in time.
async fn begin(
    config: &Config,
    paths: &Paths,
    file: &NodeFile,
    (mark, url): (&StateMark, &RepositoryUrl),
    source: &Path,
) -> Result<u64, RestoreError> {
    let (_, peers) = run::identity(paths, file.group.as_deref())?;
    let raft = run::node_config(paths, file, &peers);
    let made = Node::restore(raft, member(config), source).await;
    let node = made.map_err(StartError::from)?;
    let told = tell(&node, file, mark, url).await;
    let finished = match told {
        Ok(ended) => node
            .finish()
            .await
            .map(|()| ended)
            .map_err(|error: OpenError| StartError::from(error).into()),
        Err(error) => Err(error),
    };
    node.shutdown().await;
    finished
}

async fn tell(
    node: &Node,
    file: &NodeFile,
    mark: &StateMark,
    url: &RepositoryUrl,
) -> Result<u64, RestoreError> {
    let now = Timestamp::now();
    let command = RestoreState {
        snapshot: mark.id,
        from: url.to_string(),
        index: mark.facts.index,
        taken_at: mark.facts.taken_at,
        node: NodeId(file.id).0,
        name: file.name.clone(),
        group: file.group.clone().unwrap_or_default(),
        // Generations count up from 1: no group has given as many as there
        // are milliseconds since 1970, and a later restore begins later.
        generation_floor: u64::try_from(now.as_millisecond()).unwrap_or_default(),
        by: whoever(),
    };
    let cause = Cause {
        principal: Principal::node(&file.name),
        request: RequestId::from_uuid(Uuid::now_v7()),
        remote: None,
    };
    let proposed = node
        .propose(ProposeContext::caused_by(cause), command)
        .await;
    let verdict = proposed.map_err(|error| StartError::Other(error.into()))?;
    verdict.map_err(|refusal| RestoreError::Refused(refusal.to_string()))
}

/// For the audit log: the account and the host.
pub(super) fn whoever() -> String {
    let user = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER"));
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let user = user.unwrap_or_else(|_| "somebody".to_owned());
    format!("{user}@{}", host.trim())
}
