//! What an agent observes of the PostgreSQL instances on its host.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Failure, Lsn, Name, Timeline};

/// What an instance is to its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum InstanceRole {
    /// Accepts writes.
    Primary,
    /// Replays another's WAL.
    Standby,
}

/// A replication slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SlotFacts {
    /// Its name.
    pub name: String,
    /// Whether somebody streams from it.
    pub active: bool,
    /// The oldest WAL it keeps.
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub restart_lsn: Option<Lsn>,
    /// PostgreSQL's `wal_status`: reserved, extended, unreserved or lost.
    pub wal_status: Option<String>,
    /// WAL it keeps from being recycled.
    pub retained_bytes: u64,
}

/// What PostgreSQL's own archiver does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ArchiverFacts {
    /// The setting `archive_mode`.
    pub mode: String,
    /// The last file archived.
    pub last_archived: Option<String>,
    /// The last file whose archiving failed.
    pub last_failed: Option<String>,
}

/// The volume that holds a data directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct DiskFacts {
    /// Its size in bytes.
    pub total_bytes: u64,
    /// Bytes left to the data directory's owner.
    pub free_bytes: u64,
}

/// An instance as the agent last saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct InstanceFacts {
    /// The cluster it belongs to.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub cluster: Name,
    /// When the agent asked, corrected by its clock offset.
    pub observed_at: Timestamp,
    /// What was found, or why nothing could be.
    #[serde(flatten)]
    pub observation: Observation,
    /// What Patroni says, where it is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patroni: Option<PatroniFacts>,
    /// What is wrong with the slot that its agent keeps there while WAL is
    /// received elsewhere. Known while the agent is connected, never recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot_trouble: Option<Failure>,
}

/// What Patroni's REST API says of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PatroniFacts {
    /// What it calls the instance; `None` when it did not answer.
    pub member: Option<String>,
    /// The member that holds the leader's lock, if one does.
    pub leader: Option<String>,
    /// Whether it is paused: it then changes nothing by itself.
    pub paused: bool,
    /// Why it could not be asked.
    pub failure: Option<Failure>,
}

impl PatroniFacts {
    /// Whether this instance is the one that leads; `None` when nobody is
    /// known to lead.
    pub fn leads(&self) -> Option<bool> {
        let leader = self.leader.as_ref()?;
        Some(self.member.as_ref() == Some(leader))
    }
}

/// The outcome of looking at an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum Observation {
    /// It answered.
    Reachable(Box<ServerFacts>),
    /// It did not, or is not the one expected.
    Unreachable(Failure),
}

/// What a PostgreSQL server says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ServerFacts {
    /// `server_version_num`, such as 150018.
    pub server_version: u32,
    /// Its system identifier; text in JSON, for it exceeds a double's precision.
    #[serde(with = "as_text")]
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub system_identifier: u64,
    /// Primary or standby.
    pub role: InstanceRole,
    /// Its timeline.
    #[cfg_attr(feature = "schema", schema(value_type = u32))]
    pub timeline: Timeline,
    /// Its data directory.
    pub data_directory: String,
    /// Bytes of all its databases.
    pub database_bytes: u64,
    /// Whether its pages carry checksums.
    pub checksums: bool,
    /// Its archiver.
    pub archiver: ArchiverFacts,
    /// Its replication slots.
    pub slots: Vec<SlotFacts>,
    /// The volume of its data directory, where the agent can see it.
    pub disk: Option<DiskFacts>,
}

mod as_text {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}
