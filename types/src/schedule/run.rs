//! The identity of a run, and what derives from it (I-03).

use std::fmt;
use std::str::FromStr;

use blake3::Hasher;
use jiff::Timestamp;
use jiff::tz::Offset;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::{AgentId, AssignmentId, BackupId, Generation, JobId, Name};

/// A due time of a schedule of a cluster: what every attempt at it shares,
/// whoever makes it and however late.
///
/// It prints as `orders.weekly-full.2026-07-25T02_00_00Z`, which is also valid
/// in a URL, in the name of an object, and as the key of a commit mark.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId {
    cluster: Name,
    schedule: Name,
    due: Timestamp,
}

/// Text that is not the identity of a run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a run such as orders.weekly-full.2026-07-25T02_00_00Z")]
pub struct InvalidRunId(pub String);

/// One try at a run. No two tries are the same one: what a backup stores is
/// named after its id, so an id that was used is not used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// Under a lease of the control plane.
    Leased(Generation),
    /// By an agent on its own (I-08); it counts its attempts at the run in its
    /// journal, before it begins one.
    Offline {
        /// The agent.
        agent: AgentId,
        /// Which of its attempts.
        number: u32,
    },
}

impl Attempt {
    /// The generation it is made under. Taking a job back and giving it out
    /// again each move the generation on; so do the attempts of an agent on its
    /// own, as if the control plane had done both.
    pub const fn generation(self) -> Generation {
        match self {
            Self::Leased(generation) => generation,
            Self::Offline { number, .. } => Generation((2 * (number as u64)).saturating_sub(1)),
        }
    }
}

impl RunId {
    /// The run that is due at `due`. Due times are whole seconds; a fraction is
    /// dropped.
    pub fn new(cluster: Name, schedule: Name, due: Timestamp) -> Self {
        let due = Timestamp::from_second(due.as_second()).unwrap_or(due);
        Self {
            cluster,
            schedule,
            due,
        }
    }

    /// The cluster.
    pub const fn cluster(&self) -> &Name {
        &self.cluster
    }

    /// The schedule of its policy.
    pub const fn schedule(&self) -> &Name {
        &self.schedule
    }

    /// When it is due.
    pub const fn due(&self) -> Timestamp {
        self.due
    }

    /// Sixteen bytes that stand for it. The same in every release.
    pub fn digest(&self) -> [u8; 16] {
        self.derive("holdfast schedule 2026-12 run", "")
    }

    /// The job of the run. A backup's commit mark has the job as its key, so a
    /// repository commits at most one backup of the run, whoever dispatched it.
    pub fn job_id(&self) -> JobId {
        JobId::from_uuid(uuid(self.derive("holdfast schedule 2026-12 job", "")))
    }

    /// The assignment under which an agent works on the run on its own; its
    /// attempts differ by their generations.
    pub fn assignment_id(&self, agent: AgentId) -> AssignmentId {
        let context = "holdfast schedule 2026-12 assignment";
        AssignmentId::from_uuid(uuid(self.derive(context, &agent.to_string())))
    }

    /// The backup that this attempt makes.
    pub fn backup_id(&self, attempt: Attempt) -> BackupId {
        let attempt = match attempt {
            Attempt::Leased(generation) => format!("generation {generation}"),
            Attempt::Offline { agent, number } => format!("agent {agent} attempt {number}"),
        };
        let bytes = self.derive("holdfast schedule 2026-12 backup", &attempt);
        BackupId::from_uuid(uuid(bytes))
    }

    fn derive(&self, context: &str, rest: &str) -> [u8; 16] {
        let mut hasher = Hasher::new_derive_key(context);
        hasher.update(self.to_string().as_bytes());
        hasher.update(&[0]);
        hasher.update(rest.as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        bytes
    }
}

fn uuid(bytes: [u8; 16]) -> Uuid {
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let due = Offset::UTC.to_datetime(self.due);
        let due = due.strftime("%Y-%m-%dT%H_%M_%SZ");
        write!(f, "{}.{}.{due}", self.cluster, self.schedule)
    }
}

impl FromStr for RunId {
    type Err = InvalidRunId;

    fn from_str(text: &str) -> Result<Self, InvalidRunId> {
        let read = || {
            let mut parts = text.split('.');
            let (cluster, schedule, due) = (parts.next()?, parts.next()?, parts.next()?);
            let run = Self {
                cluster: cluster.parse().ok()?,
                schedule: schedule.parse().ok()?,
                due: due.replace('_', ":").parse().ok()?,
            };
            // One spelling per run, or two texts would name one mark.
            (run.to_string() == text).then_some(run)
        };
        read().ok_or_else(|| InvalidRunId(text.to_owned()))
    }
}

impl Serialize for RunId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RunId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(cluster: &str, schedule: &str, due: &str) -> RunId {
        let due = due.parse().unwrap();
        RunId::new(cluster.parse().unwrap(), schedule.parse().unwrap(), due)
    }

    #[test]
    fn a_run_has_one_spelling() {
        let orders = run("orders", "weekly-full", "2026-07-25T02:00:00Z");
        assert_eq!(
            orders.to_string(),
            "orders.weekly-full.2026-07-25T02_00_00Z"
        );
        assert_eq!(orders.to_string().parse::<RunId>().unwrap(), orders);
        assert_eq!(
            run("orders", "weekly-full", "2026-07-25T04:00:00.9+02:00"),
            orders
        );
        for bad in [
            "",
            "orders",
            "orders.weekly-full",
            "orders.weekly-full.2026-07-25T02:00:00Z",
            "orders.weekly-full.2026-07-25T02_00_00.5Z",
            "orders.weekly-full.2026-07-25T02_00_00Z.more",
            "orders.weekly-full.2026-07-25T04_00_00+02_00",
            "Orders.weekly-full.2026-07-25T02_00_00Z",
        ] {
            assert!(bad.parse::<RunId>().is_err(), "{bad}");
        }
        let longest = run(&"a".repeat(63), &"b".repeat(63), "2026-07-25T02:00:00Z");
        assert!(longest.to_string().len() <= 200, "the key of a mark");
    }

    /// Nodes and agents of different releases derive the same (I-03).
    #[test]
    fn what_derives_from_a_run_never_changes() {
        let orders = run("orders", "weekly-full", "2026-07-25T02:00:00Z");
        let agent = AgentId::from_uuid(Uuid::from_u128(7));
        let offline = |number| orders.backup_id(Attempt::Offline { agent, number });
        let leased = |generation| orders.backup_id(Attempt::Leased(Generation(generation)));
        assert_eq!(
            hex::encode(orders.digest()),
            "bb94e4cb2908349c7a8d7170eaa39d35"
        );
        assert_eq!(
            orders.job_id().to_string(),
            "job_82081275c6a784fc99bdd75ba62bd81d"
        );
        assert_eq!(
            leased(1).to_string(),
            "bkp_af735c20e1c58ff2a4649e142ee6b0f4"
        );
        assert_eq!(
            offline(1).to_string(),
            "bkp_cdb5f0817cbf8227b0b05874e323f046"
        );
    }

    #[test]
    fn no_two_attempts_make_one_backup() {
        let orders = run("orders", "weekly-full", "2026-07-25T02:00:00Z");
        let later = run("orders", "weekly-full", "2026-08-01T02:00:00Z");
        let agent = |number| AgentId::from_uuid(Uuid::from_u128(number));
        let attempts = [
            Attempt::Leased(Generation(1)),
            Attempt::Leased(Generation(2)),
            Attempt::Offline {
                agent: agent(1),
                number: 1,
            },
            Attempt::Offline {
                agent: agent(1),
                number: 2,
            },
            Attempt::Offline {
                agent: agent(2),
                number: 1,
            },
        ];
        let mut backups: Vec<BackupId> = [&orders, &later]
            .iter()
            .flat_map(|run| attempts.map(|attempt| run.backup_id(attempt)))
            .collect();
        backups.sort();
        backups.dedup();
        assert_eq!(backups.len(), 10);
        assert_ne!(orders.job_id(), later.job_id());
    }
}
