//! Identities. Each kind is its own type and prints with its own prefix, so
//! that one can never be taken for another, in code or in a log line.
//!
//! Ids are made from UUIDs of version 7 by whoever proposes a command, and
//! arrive inside it (I-02); this crate has no clock to make one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// Text that is not an id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not an id such as {prefix}0199f3c2a7b47d1e8f0123456789abcd")]
pub struct InvalidId {
    /// What was given.
    pub text: String,
    /// The prefix of the wanted kind.
    pub prefix: &'static str,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// The prefix with which it prints.
            pub const PREFIX: &'static str = $prefix;

            /// The id made from this UUID.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// Its UUID.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", Self::PREFIX, self.0.simple())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let invalid = || InvalidId { text: text.to_owned(), prefix: Self::PREFIX };
                let digits = text.strip_prefix(Self::PREFIX).ok_or_else(invalid)?;
                let lower = digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
                if digits.len() != 32 || !lower {
                    return Err(invalid());
                }
                Uuid::try_parse(digits).map(Self).map_err(|_| invalid())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

ids! {
    /// An enrolled agent.
    AgentId = "agt_";
    /// An alarm, from when it opens until it closes.
    AlarmId = "alm_";
    /// A request for the consent of others.
    ApprovalId = "apr_";
    /// A standing duty or a job in an agent's hands.
    AssignmentId = "asg_";
    /// A backup.
    BackupId = "bkp_";
    /// A control plane: all the nodes that share one CA, now and once.
    ControlPlaneId = "cpl_";
    /// A restore drill.
    DrillId = "drl_";
    /// An excuse from an objective, for a while.
    ExemptionId = "exm_";
    /// A job.
    JobId = "job_";
    /// A one-time token with which an agent enrols.
    JoinTokenId = "jtk_";
    /// A key in a repository.
    KeyId = "key_";
    /// Something that a channel is told.
    NoticeId = "ntc_";
    /// A one-time token with which a node joins.
    NodeTokenId = "ntk_";
    /// A report that was made.
    ReportId = "rpt_";
    /// A repository, as its own marker object names it.
    RepositoryId = "rep_";
    /// One request, for finding its traces.
    RequestId = "req_";
    /// A restore.
    RestoreId = "rst_";
    /// A login.
    SessionId = "ses_";
    /// A time in which alarms are not told.
    SilenceId = "sil_";
    /// A snapshot of the control plane's own state.
    StateSnapshotId = "snp_";
    /// An API token.
    TokenId = "tok_";
    /// A user.
    UserId = "usr_";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_not_another_kind_of_id() {
        let id = BackupId::from_uuid(Uuid::from_u128(7));
        assert_eq!(id.to_string(), "bkp_00000000000000000000000000000007");
        assert_eq!(id.to_string().parse::<BackupId>().unwrap(), id);
        assert!(id.to_string().parse::<JobId>().is_err());
        assert!(
            "bkp_0000000000000000000000000000000G"
                .parse::<BackupId>()
                .is_err()
        );
        assert!(
            "bkp_00000000-0000-0000-0000-000000000007"
                .parse::<BackupId>()
                .is_err()
        );
    }
}
