//! Words that only rows use, each with one spelling.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A word no row should hold.
#[derive(Debug)]
pub struct UnknownWord(String);

impl fmt::Display for UnknownWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\" is not a word of this column", self.0)
    }
}

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$variant => $word),* })
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                match text {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(UnknownWord(text.to_owned())),
                }
            }
        }
    )*};
}

words! {
    /// What a document can name.
    ReferenceKind {
        /// An agent.
        Agent = "agent",
        /// A fleet.
        Fleet = "fleet",
        /// A repository.
        Repository = "repository",
        /// A secret.
        Secret = "secret",
        /// A user.
        User = "user",
    }
    /// Where a request for approval is.
    ApprovalState {
        /// It waits for consent.
        Pending = "pending",
        /// One refused.
        Rejected = "rejected",
        /// Nobody can consent any more.
        Expired = "expired",
        /// Whoever asked took it back.
        Cancelled = "cancelled",
        /// Enough consented, and it was done.
        Executed = "executed",
        /// Enough consented, and it could not be done any more.
        Failed = "failed",
    }
    /// What somebody said to a request for approval.
    Vote {
        /// Yes.
        Approve = "approve",
        /// No.
        Reject = "reject",
    }
    /// How an attempt at a job ended.
    AttemptOutcome {
        /// It did the job.
        Succeeded = "succeeded",
        /// It gave up.
        Failed = "failed",
        /// Its agent was lost or stopped; another attempt may follow.
        Interrupted = "interrupted",
        /// It was cancelled.
        Cancelled = "cancelled",
        /// Another had committed first (I-03).
        Superseded = "superseded",
    }
    /// What an agent was given.
    AssignmentKind {
        /// One job.
        Job = "job",
        /// WAL receiving, a standing duty.
        Wal = "wal",
    }
    /// Where a node of the control plane is in its life.
    NodeState {
        /// It was let in, and is not a voter yet.
        Joining = "joining",
        /// It is a voter.
        Member = "member",
        /// It is to leave.
        Removing = "removing",
        /// It has left; its id is never given again.
        Removed = "removed",
    }
    /// In what way catalog and repository differ.
    FindingKind {
        /// The catalog knows it, and the repository holds it no more.
        Missing = "missing",
        /// The repository holds it, and the catalog does not know it.
        Unknown = "unknown",
        /// Both have it, and do not say the same.
        Different = "different",
        /// The repository holds it, and it cannot be read.
        Damaged = "damaged",
    }
    /// What became of a snapshot of this state.
    StateSnapshotState {
        /// It is wanted, and may be under way.
        Requested = "requested",
        /// Its mark is in the repository.
        Available = "available",
        /// It could not be taken, or is there no more.
        Failed = "failed",
        /// It is to be deleted.
        Condemned = "condemned",
    }
    /// Why something is to be deleted.
    CondemnCause {
        /// Its policy keeps it no longer.
        Retention = "retention",
        /// A person said so.
        Hand = "hand",
        /// It was left by an attempt that never committed.
        Orphan = "orphan",
    }
    /// How far a deletion is; each step follows the one before, and none is taken
    /// back (I-06).
    Deletion {
        /// It is decided.
        Condemned = "condemned",
        /// Its grace is over: objects may be gone.
        Deleting = "deleting",
        /// A repository was seen to hold nothing of it any more.
        Deleted = "deleted",
    }
    /// Whether an assignment is still in force.
    AssignmentState {
        /// It is.
        Active = "active",
        /// It was taken back.
        Withdrawn = "withdrawn",
    }
}
