//! Use cases: authorise, propose, answer. Free of transport.

pub(crate) mod access;
mod agent;
pub(crate) mod alarm;
mod apply;
mod approval;
mod audit;
pub(crate) mod backup;
pub mod caller;
pub mod code;
pub(crate) mod compliance;
pub(crate) mod copy;
mod coverage;
pub(crate) mod drill;
mod dump;
mod enroll;
pub mod error;
mod event;
mod exemption;
pub(crate) mod expiry;
mod exposure;
mod inventory;
pub(crate) mod job;
mod join;
mod limiter;
pub mod login;
mod node;
mod policy;
mod report;
mod repository;
mod resource;
pub(crate) mod restore;
mod scan;
mod schedule;
mod secret;
mod state_snapshot;
mod status;
mod token;
mod user;

use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast_consensus::{Age, Member, Node, ProposeContext, StateView};
use holdfast_state::{Cause, Effect, FactsInForce, Principal, ReplicatedCommand};
use holdfast_types::RequestId;
use holdfast_types::schedule::RunId;
use tokio::sync::{Mutex, broadcast};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use access::{AccessView, RoleView};
pub use agent::AgentView;
pub use alarm::{AlarmView, ChannelTest, DeliveryView, SilenceView, WantedSilence};
pub use apply::{Applied, ApplyAction, ApplyResult, Condition, ConsentView};
pub use approval::ApprovalView;
pub use backup::WantedBackup;
pub use compliance::AskedPeriod;
pub use coverage::{
    BackupDependentsView, BackupMark, CoverageHole, CoverageOfRepository, CoverageRole,
    CoverageStretch, CoverageTimeline, CoverageView, DependentBackup, DrillMark, LeftOut,
    LostStretch, PointOfRepository, RecoverabilityView, RestorablePoint,
};
pub use drill::{DrillView, WantedDrill};
pub use enroll::{EnrollRequest, Enrollment};
pub use exemption::ExemptionView;
pub use expiry::{Condemnation, ExpiryView, Hold, Kept};
pub use exposure::{ClusterOverview, ClusterRow, InstanceRow, LastBackup};
pub use inventory::{IgnoredInstance, NotProtected, UnprotectedCounts, UnprotectedView};
pub use job::{AttemptView, JobView, LateResultOfJobView, PhaseView};
pub use join::{JoinRequest, Welcome};
pub use login::Login;
pub use node::{NodeAddresses, NodeRemovalView, NodeView, QuorumView};
pub use policy::{
    Expiring, ExpiringOfCluster, PassedOver, PolicyInForce, PolicyPreview, Preview, PreviewedRun,
    RevisionAction, RevisionView, SuggestionView, Wanted,
};
pub use report::{MadeReport, ReportKeyView, ReportView, WantedReport};
pub use resource::{ResourceView, Written};
pub use restore::{RestorePlanView, RestoreView, WantedRestore};
pub use scan::{FindingView, FindingsView};
pub use schedule::RunView;
pub use state_snapshot::{StateSafety, StateSnapshotView};
pub use status::{Counts, StatusView};
pub use token::{NewJoinToken, NewToken};

use self::caller::{Caller, Consistency};
use self::error::Result;
use self::limiter::LoginLimiter;
use crate::config::Config;
use crate::peer::Hellos;
use crate::secure::{Authority, NodeIdentity, Passwords, Sealer, Signer};
use crate::session::{Declared, FactsBoard, PendingPlans, ProgressBoard, Registry, WalBoard};

/// For how long a proof of a quorum is good for heartbeats.
const QUORUM_PROOF: Duration = Duration::from_secs(1);

/// Something that a person may be looking at has changed.
#[derive(Debug, Clone)]
pub struct Changed {
    /// `clusters`, `jobs`, `backups`, …
    pub plural: &'static str,
    /// Its name or id.
    pub key: String,
    /// Which change.
    pub revision: u64,
}

/// What the use cases work with.
pub struct App {
    pub(crate) node: Node,
    pub(crate) node_name: String,
    pub(crate) config: Config,
    pub(crate) sealer: Sealer,
    pub(crate) authority: Authority,
    pub(crate) signer: Signer,
    pub(crate) passwords: Passwords,
    logins: LoginLimiter,
    pub(crate) sessions: Registry,
    pub(crate) declared: Declared,
    pub(crate) progress: ProgressBoard,
    pub(crate) wal: WalBoard,
    pub(crate) facts: FactsBoard,
    pub(crate) plans: PendingPlans,
    pub(crate) scan_turns: crate::scan::Turns,
    pub(crate) changes: broadcast::Sender<Changed>,
    pub(crate) stop: CancellationToken,
    quorum: Mutex<Option<(Instant, bool)>>,
    /// What decides about clusters now, as of the last time that somebody asked.
    in_force: Mutex<FactsInForce>,
    /// All clusters as they were seen last.
    pictures: exposure::Pictures,
    /// Where this node is reached.
    pub(crate) member: Member,
    pub(crate) hellos: Hellos,
    /// Tells the numbers of this process from those of another.
    pub(crate) process: Uuid,
    /// What this node shows to others.
    pub(crate) identity: Arc<NodeIdentity>,
    /// Cancelled when the others have removed this node.
    pub(crate) removed: CancellationToken,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "App({})", self.node_name)
    }
}

/// What an [`App`] is made of.
#[derive(Debug)]
pub struct Parts {
    /// This node's configuration.
    pub config: Config,
    /// This node's name.
    pub node_name: String,
    /// Unseals what the state holds.
    pub sealer: Sealer,
    /// The CA.
    pub authority: Authority,
    /// Signs access tokens.
    pub signer: Signer,
    /// Where this node is reached.
    pub member: Member,
    /// What this node shows to others.
    pub identity: Arc<NodeIdentity>,
}

impl App {
    /// The use cases on this node.
    pub fn new(node: Node, parts: Parts) -> Arc<Self> {
        let Parts {
            config,
            node_name,
            sealer,
            authority,
            signer,
            member,
            identity,
        } = parts;
        Arc::new(Self {
            node,
            node_name,
            config,
            sealer,
            authority,
            signer,
            passwords: Passwords::default(),
            logins: LoginLimiter::default(),
            sessions: Registry::default(),
            declared: Declared::default(),
            progress: ProgressBoard::default(),
            wal: WalBoard::default(),
            facts: FactsBoard::default(),
            plans: PendingPlans::default(),
            scan_turns: crate::scan::Turns::default(),
            changes: broadcast::channel(1024).0,
            stop: CancellationToken::new(),
            quorum: Mutex::new(None),
            in_force: Mutex::new(FactsInForce::default()),
            pictures: exposure::Pictures::default(),
            member,
            identity,
            hellos: Hellos::default(),
            process: Uuid::now_v7(),
            removed: CancellationToken::new(),
        })
    }

    /// Proposes what a caller asks for.
    pub(crate) async fn propose<C: ReplicatedCommand>(
        &self,
        by: &Caller,
        command: C,
    ) -> Result<C::Outcome> {
        let context = ProposeContext {
            idempotency: by.idempotency_key(),
            traceparent: by.traceparent.clone(),
            ..ProposeContext::caused_by(by.cause())
        };
        Ok(self.node.propose(context, command).await??)
    }

    /// Proposes in a context of its own.
    pub(crate) async fn propose_as<C: ReplicatedCommand>(
        &self,
        context: ProposeContext,
        command: C,
    ) -> Result<C::Outcome> {
        Ok(self.node.propose(context, command).await??)
    }

    /// What this node does of itself, as the leader, and the audit log has to
    /// tell (I-11).
    pub(crate) fn own_context(&self) -> ProposeContext {
        ProposeContext::caused_by(Cause {
            principal: Principal::node(&self.node_name),
            request: RequestId::from_uuid(Uuid::now_v7()),
            remote: None,
        })
    }

    /// The state, as current as the caller asked for.
    pub(crate) async fn read(&self, by: &Caller) -> Result<StateView> {
        match by.consistency {
            Consistency::Linearizable => Ok(self.node.read().await?),
            Consistency::Stale => Ok(self.node.read_stale().view),
        }
    }

    /// The state as this node has applied it, for what is done again anyway.
    pub(crate) fn local(&self) -> StateView {
        self.node.read_stale().view
    }

    /// The same for short look-ups by key; see [`Node::look_up`].
    pub(crate) fn look_up(&self) -> StateView {
        self.node.look_up()
    }

    /// How far this node has applied the log, and how old that is at most.
    pub fn applied(&self) -> (u64, Duration) {
        let stale = self.node.read_stale();
        let age = match stale.age {
            Age::Known(age) => age,
            Age::Unknown => Duration::MAX,
        };
        (stale.view.applied().saturating_sub(1), age)
    }

    /// Whether a quorum could be proved within the last second (I-04).
    pub(crate) async fn has_quorum(&self) -> bool {
        // One proof serves every heartbeat that waits for it.
        let mut proof = self.quorum.lock().await;
        if let Some((at, proved)) = *proof
            && at.elapsed() < QUORUM_PROOF
        {
            return proved;
        }
        let proved = self.node.read().await.is_ok();
        *proof = Some((Instant::now(), proved));
        proved
    }

    /// Passes on what an applied command set in motion: to sessions and to
    /// whoever watches events. Tasks are woken by their driver.
    pub(crate) fn spread(&self, effect: &Effect) {
        match effect {
            Effect::Activate(_) => {}
            Effect::AgentChanged(agent) => self.sessions.wake(*agent),
            Effect::Changed {
                plural,
                key,
                revision,
            } => {
                if *plural == "runs"
                    && let Ok(run) = key.parse::<RunId>()
                {
                    // What is decided on changes what its agent would do alone.
                    self.sessions.wake_for(run.cluster());
                }
                // Without a listener there is nobody to tell.
                let _ = self.changes.send(Changed {
                    plural,
                    key: key.clone(),
                    revision: revision.0,
                });
            }
        }
    }
}
