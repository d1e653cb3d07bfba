//! What the control plane gives an agent to do.

use holdfast_types::resource::{
    Checkpoint, Codec, Compression, MaxRetained, Source, WalMode, WhenFull,
};
use holdfast_types::{
    AssignmentId, BackupId, BackupKind, DumpOptions, Generation, JobId, Name, RestorePlan,
    RestoreRequest, Span,
};
use serde::{Deserialize, Serialize};

use crate::access::non_empty;
use crate::invalid::{Invalid, from_json, parse, some, to_json};
use crate::{
    CopyWork, DrillWork, DumpRestoreWork, InstanceAccess, PinnedParent, RepositoryAccess,
    StandingOrders, v1,
};

/// Everything an agent is to do now.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Assignments {
    /// Jobs and duties. What is not named any more, the agent ends.
    pub assignments: Vec<Assignment>,
    /// The instances it is to observe.
    pub instances: Vec<ObservedInstance>,
    /// What it is to do on its own while no quorum can be reached.
    #[serde(default)]
    pub orders: Vec<StandingOrders>,
    /// Slots that another agent uses now: whoever ends its duty leaves them.
    #[serde(default)]
    pub kept_slots: Vec<KeptSlot>,
    /// Slots that it keeps at its own instances, from which another agent or
    /// nobody streams now: so that a standby that is promoted has the WAL.
    #[serde(default)]
    pub slots: Vec<WalWork>,
}

/// The slot of a cluster at an instance.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptSlot {
    /// The cluster.
    pub cluster: Name,
    /// The agent on the instance's host, which names the instance.
    pub instance: Name,
}

/// An instance that an agent observes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObservedInstance {
    /// The cluster it belongs to.
    pub cluster: Name,
    /// How to reach it.
    pub instance: InstanceAccess,
    /// The URL of Patroni's REST API, if there is one to ask.
    #[serde(default)]
    pub patroni: Option<String>,
}

/// A job or a standing duty, under a generation (I-04).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Assignment {
    /// Its identity.
    pub id: AssignmentId,
    /// Which holder this is.
    pub generation: Generation,
    /// W3C trace context of the request that caused it.
    pub traceparent: Option<String>,
    /// Whether somebody asked for it to end.
    pub cancel_requested: bool,
    /// The work.
    pub work: Work,
}

/// The kinds of work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Work {
    /// Take a backup.
    Backup(Box<BackupWork>),
    /// Restore.
    Restore(Box<RestoreWork>),
    /// Restore a database of a dump into a running server.
    RestoreDump(Box<DumpRestoreWork>),
    /// Copy a backup to another repository.
    Copy(Box<CopyWork>),
    /// Rehearse a restore.
    Drill(Box<DrillWork>),
    /// Receive WAL for as long as this is assigned.
    ReceiveWal(Box<WalWork>),
}

/// Take a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupWork {
    /// The job, which on demand is the run's identity (I-03).
    pub job: JobId,
    /// The backup this attempt makes.
    pub backup: BackupId,
    /// The cluster.
    pub cluster: Name,
    /// What to take.
    pub kind: BackupKind,
    /// Where to put it.
    pub repository: RepositoryAccess,
    /// What to read.
    pub instance: InstanceAccess,
    /// How to compress.
    pub compression: Compression,
    /// The incarnation of its lineage.
    pub incarnation: u32,
    /// What an incremental is made against; without one, all of the database
    /// is copied.
    #[serde(default)]
    pub parent: Option<PinnedParent>,
    /// What a dump holds; `None` is what is usual.
    #[serde(default)]
    pub dump: Option<DumpOptions>,
    /// Which server the instance must be; `None` is the primary.
    #[serde(default)]
    pub from: Option<Source>,
    /// How PostgreSQL begins it; `None` is at once.
    #[serde(default)]
    pub checkpoint: Option<Checkpoint>,
    /// Nobody receives the cluster's WAL: the backup takes its own along.
    #[serde(default)]
    pub own_wal: bool,
    /// What is put into the repository is offered to these too, as it comes.
    #[serde(default)]
    pub copies: Vec<RepositoryAccess>,
}

/// Restore a cluster into a directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RestoreWork {
    /// The job.
    pub job: JobId,
    /// Where to read.
    pub repository: RepositoryAccess,
    /// What was asked for.
    pub request: RestoreRequest,
    /// What was planned. It is executed as it is.
    pub plan: RestorePlan,
}

/// Receive a cluster's WAL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WalWork {
    /// The cluster.
    pub cluster: Name,
    /// Where to put it.
    pub repository: RepositoryAccess,
    /// The instance to receive from.
    pub instance: InstanceAccess,
    /// The agent on that instance's host, which names the instance; `None`:
    /// the receiver's own.
    #[serde(default)]
    pub instance_agent: Option<Name>,
    /// The volume of the instance's data directory, for a receiver that
    /// cannot see it.
    #[serde(default)]
    pub volume_bytes: Option<u64>,
    /// How long received WAL may wait before it is stored.
    pub flush_every: Span,
    /// How to compress.
    pub compression: Compression,
    /// The incarnation of its lineage.
    pub incarnation: u32,
    /// How it comes: streamed, pushed by `archive_command`, or both.
    #[serde(default)]
    pub mode: WalMode,
    /// Where what is stored is copied to as well.
    #[serde(default)]
    pub copies: Vec<RepositoryAccess>,
    /// How much WAL the server may keep for the slot (I-15).
    #[serde(default)]
    pub max_retained: MaxRetained,
    /// What happens then.
    #[serde(default)]
    pub when_full: WhenFull,
}

impl From<&Assignments> for v1::Assignments {
    fn from(all: &Assignments) -> Self {
        let observed = |observed: &ObservedInstance| v1::ObservedInstance {
            cluster: observed.cluster.to_string(),
            instance: Some((&observed.instance).into()),
            patroni: observed.patroni.clone().unwrap_or_default(),
        };
        let kept = |slot: &KeptSlot| v1::KeptSlot {
            cluster: slot.cluster.to_string(),
            instance: slot.instance.to_string(),
        };
        Self {
            assignments: all.assignments.iter().map(Into::into).collect(),
            instances: all.instances.iter().map(observed).collect(),
            orders: all.orders.iter().map(Into::into).collect(),
            kept_slots: all.kept_slots.iter().map(kept).collect(),
            slots: all.slots.iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<v1::Assignments> for Assignments {
    type Error = Invalid;

    fn try_from(all: v1::Assignments) -> Result<Self, Invalid> {
        let observed = |observed: v1::ObservedInstance| {
            Ok(ObservedInstance {
                cluster: parse("instances.cluster", &observed.cluster)?,
                instance: some("instances.instance", observed.instance)?.into(),
                patroni: non_empty(observed.patroni),
            })
        };
        let kept = |slot: v1::KeptSlot| {
            Ok(KeptSlot {
                cluster: parse("kept_slots.cluster", &slot.cluster)?,
                instance: parse("kept_slots.instance", &slot.instance)?,
            })
        };
        let assignments = all.assignments.into_iter().map(Assignment::try_from);
        Ok(Self {
            assignments: assignments.collect::<Result<_, _>>()?,
            instances: all
                .instances
                .into_iter()
                .map(observed)
                .collect::<Result<_, Invalid>>()?,
            orders: all
                .orders
                .into_iter()
                .map(StandingOrders::try_from)
                .collect::<Result<_, Invalid>>()?,
            kept_slots: all
                .kept_slots
                .into_iter()
                .map(kept)
                .collect::<Result<_, Invalid>>()?,
            slots: all
                .slots
                .into_iter()
                .map(WalWork::try_from)
                .collect::<Result<_, Invalid>>()?,
        })
    }
}

impl From<&Assignment> for v1::Assignment {
    fn from(assignment: &Assignment) -> Self {
        let work = match &assignment.work {
            Work::Backup(work) => v1::assignment::Work::Backup((&**work).into()),
            Work::Restore(work) => v1::assignment::Work::Restore((&**work).into()),
            Work::RestoreDump(work) => v1::assignment::Work::Restore((&**work).into()),
            Work::Copy(work) => v1::assignment::Work::Restore((&**work).into()),
            Work::Drill(work) => v1::assignment::Work::Restore((&**work).into()),
            Work::ReceiveWal(work) => v1::assignment::Work::Wal((&**work).into()),
        };
        Self {
            assignment_id: assignment.id.to_string(),
            generation: assignment.generation.0,
            traceparent: assignment.traceparent.clone().unwrap_or_default(),
            cancel_requested: assignment.cancel_requested,
            work: Some(work),
        }
    }
}

impl TryFrom<v1::Assignment> for Assignment {
    type Error = Invalid;

    fn try_from(assignment: v1::Assignment) -> Result<Self, Invalid> {
        let work = match some("work", assignment.work)? {
            v1::assignment::Work::Backup(work) => Work::Backup(Box::new(work.try_into()?)),
            v1::assignment::Work::Restore(work) if work.dump.is_some() => {
                Work::RestoreDump(Box::new(work.try_into()?))
            }
            v1::assignment::Work::Restore(work) if work.copy.is_some() => {
                Work::Copy(Box::new(work.try_into()?))
            }
            v1::assignment::Work::Restore(work) if work.drill.is_some() => {
                Work::Drill(Box::new(work.try_into()?))
            }
            v1::assignment::Work::Restore(work) => Work::Restore(Box::new(work.try_into()?)),
            v1::assignment::Work::Wal(work) => Work::ReceiveWal(Box::new(work.try_into()?)),
        };
        Ok(Self {
            id: parse("assignment_id", &assignment.assignment_id)?,
            generation: Generation(assignment.generation),
            traceparent: non_empty(assignment.traceparent),
            cancel_requested: assignment.cancel_requested,
            work,
        })
    }
}

impl From<&BackupWork> for v1::BackupWork {
    fn from(work: &BackupWork) -> Self {
        Self {
            job_id: work.job.to_string(),
            backup_id: work.backup.to_string(),
            cluster: work.cluster.to_string(),
            kind: work.kind.to_string(),
            repository: Some((&work.repository).into()),
            instance: Some((&work.instance).into()),
            codec: work.compression.codec.to_string(),
            level: work.compression.level.unwrap_or_default(),
            incarnation: work.incarnation,
            parent: work.parent.as_ref().map(Into::into),
            dump_json: work.dump.as_ref().map(to_json).unwrap_or_default(),
            from: work.from.map(|from| from.to_string()).unwrap_or_default(),
            checkpoint: work
                .checkpoint
                .map(|checkpoint| checkpoint.to_string())
                .unwrap_or_default(),
            own_wal: work.own_wal,
            copies: work.copies.iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<v1::BackupWork> for BackupWork {
    type Error = Invalid;

    fn try_from(work: v1::BackupWork) -> Result<Self, Invalid> {
        Ok(Self {
            job: parse("job_id", &work.job_id)?,
            backup: parse("backup_id", &work.backup_id)?,
            cluster: parse("cluster", &work.cluster)?,
            kind: parse("kind", &work.kind)?,
            repository: some("repository", work.repository)?.try_into()?,
            instance: some("instance", work.instance)?.into(),
            compression: compression(&work.codec, work.level)?,
            incarnation: incarnation(work.incarnation)?,
            parent: work.parent.map(TryInto::try_into).transpose()?,
            dump: match work.dump_json.as_str() {
                "" => None,
                json => Some(from_json("dump_json", json)?),
            },
            from: optional("from", &work.from)?,
            checkpoint: optional("checkpoint", &work.checkpoint)?,
            own_wal: work.own_wal,
            copies: work
                .copies
                .into_iter()
                .map(TryInto::try_into)
                .collect::<Result<_, _>>()?,
        })
    }
}

impl From<&RestoreWork> for v1::RestoreWork {
    fn from(work: &RestoreWork) -> Self {
        Self {
            job_id: work.job.to_string(),
            repository: Some((&work.repository).into()),
            request_json: to_json(&work.request),
            plan_json: to_json(&work.plan),
            dump: None,
            copy: None,
            drill: None,
        }
    }
}

impl TryFrom<v1::RestoreWork> for RestoreWork {
    type Error = Invalid;

    fn try_from(work: v1::RestoreWork) -> Result<Self, Invalid> {
        Ok(Self {
            job: parse("job_id", &work.job_id)?,
            repository: some("repository", work.repository)?.try_into()?,
            request: from_json("request_json", &work.request_json)?,
            plan: from_json("plan_json", &work.plan_json)?,
        })
    }
}

impl From<&WalWork> for v1::WalWork {
    fn from(work: &WalWork) -> Self {
        let millis = work.flush_every.get().as_millis();
        Self {
            cluster: work.cluster.to_string(),
            repository: Some((&work.repository).into()),
            instance: Some((&work.instance).into()),
            flush_every_ms: u32::try_from(millis).unwrap_or(u32::MAX),
            codec: work.compression.codec.to_string(),
            level: work.compression.level.unwrap_or_default(),
            incarnation: work.incarnation,
            instance_agent: work
                .instance_agent
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            volume_bytes: work.volume_bytes.unwrap_or_default(),
            mode: work.mode.to_string(),
            copies: work.copies.iter().map(Into::into).collect(),
            max_retained: work.max_retained.to_string(),
            when_full: work.when_full.to_string(),
        }
    }
}

impl TryFrom<v1::WalWork> for WalWork {
    type Error = Invalid;

    fn try_from(work: v1::WalWork) -> Result<Self, Invalid> {
        if work.flush_every_ms == 0 {
            return Err(Invalid::new("flush_every_ms", "is zero"));
        }
        Ok(Self {
            cluster: parse("cluster", &work.cluster)?,
            repository: some("repository", work.repository)?.try_into()?,
            instance: some("instance", work.instance)?.into(),
            instance_agent: match work.instance_agent.as_str() {
                "" => None,
                name => Some(parse("instance_agent", name)?),
            },
            volume_bytes: (work.volume_bytes != 0).then_some(work.volume_bytes),
            flush_every: Span::from_millis(u64::from(work.flush_every_ms)),
            compression: compression(&work.codec, work.level)?,
            incarnation: incarnation(work.incarnation)?,
            mode: match work.mode.as_str() {
                "" => WalMode::Streaming,
                mode => parse("mode", mode)?,
            },
            copies: work
                .copies
                .into_iter()
                .map(RepositoryAccess::try_from)
                .collect::<Result<_, _>>()?,
            max_retained: optional("max_retained", &work.max_retained)?.unwrap_or_default(),
            when_full: optional("when_full", &work.when_full)?.unwrap_or_default(),
        })
    }
}

/// A word, or nothing where an older release says nothing.
fn optional<T>(field: &'static str, text: &str) -> Result<Option<T>, Invalid>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    match text {
        "" => Ok(None),
        word => parse(field, word).map(Some),
    }
}

pub(crate) fn compression(codec: &str, level: i32) -> Result<Compression, Invalid> {
    let codec: Codec = parse("codec", codec)?;
    Ok(Compression {
        codec,
        level: (level != 0).then_some(level),
    })
}

pub(crate) fn incarnation(number: u32) -> Result<u32, Invalid> {
    if number == 0 {
        Err(Invalid::new("incarnation", "counts from 1"))
    } else {
        Ok(number)
    }
}
