//! Backups and restores: names, flags and help.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use holdfast_types::resource::{Checkpoint, Source};
use holdfast_types::restoring::RestoreState;
use holdfast_types::{
    BackupId, BackupKind, DumpFormat, Name, RestoreTarget, TargetAction, parse_tablespace_mapping,
};
use jiff::Timestamp;

use super::Wait;

#[derive(Debug, Subcommand)]
pub(crate) enum Backup {
    /// Take a backup now
    Run {
        /// The cluster
        cluster: Name,
        /// full, incremental or logical
        #[arg(long, default_value = "full")]
        kind: BackupKind,
        /// From which server: primary, standby or preferStandby; the primary
        /// when it is not said
        #[arg(long, value_name = "SOURCE")]
        from: Option<Source>,
        /// How PostgreSQL begins it: fast or spread; fast when it is not said
        #[arg(long, value_name = "HOW")]
        checkpoint: Option<Checkpoint>,
        #[command(flatten)]
        dump: Dump,
        #[command(flatten)]
        wait: Wait,
    },
    /// List a cluster's backups, newest first
    List {
        /// The cluster
        cluster: Name,
    },
    /// Show a backup
    Show {
        /// Its id
        id: String,
    },
    /// Show what would expire of a cluster now, and why; nothing is deleted by it
    Expiry {
        /// The cluster
        cluster: Name,
    },
    /// Keep a backup from expiry
    Hold {
        /// Its id
        id: String,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Until when, as an RFC 3339 time; until it is released when it is not said
        #[arg(long, value_name = "TIME")]
        until: Option<Timestamp>,
    },
    /// End the hold of a backup
    Release {
        /// Its id
        id: String,
    },
    /// Copy a backup to another repository, with the WAL that it needs
    Copy {
        /// Its id
        id: String,
        /// The repository; the one copy that the policy names when it is not said
        #[arg(long, value_name = "REPOSITORY")]
        to: Option<Name>,
        #[command(flatten)]
        wait: Wait,
    },
    /// Show what builds on a backup, and the times that could not be restored without it;
    /// nothing is deleted by it
    Dependents {
        /// Its id
        id: String,
    },
    /// Delete a backup: it is condemned, and deleted once the grace is over
    ///
    /// One that is held, that incrementals may build on, or that is the last of its
    /// kind is refused.
    Delete {
        /// Its id
        id: String,
    },
}

/// What a logical backup holds.
#[derive(Debug, Clone, Args)]
pub(crate) struct Dump {
    /// Of a dump: a database; may be repeated. All of them when it is not said
    #[arg(long = "database", value_name = "NAME")]
    pub(crate) databases: Vec<String>,
    /// Of a dump: custom (one process, nothing on disk) or directory
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<DumpFormat>,
    /// Of a dump: how many processes write one database; needs --format directory
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<u32>,
    /// Of a dump: leave out roles and tablespaces
    #[arg(long)]
    pub(crate) no_globals: bool,
    /// Of a dump: definitions only, no rows
    #[arg(long)]
    pub(crate) schema_only: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Restore {
    /// Show how a restore would be done and what speaks against it; touches nothing
    Plan(RestoreArgs),
    /// Show what restoring to a point means, by what the catalog knows: no agent is asked
    ///
    /// Whether it can be, from which backup, how much would be replayed and lost, and how
    /// long that takes; otherwise why not, and the nearest points.
    Explain {
        /// The cluster
        cluster: Name,
        /// latest, an RFC 3339 time with its offset, or lsn:X
        #[arg(long, value_name = "TARGET", default_value = "latest")]
        at: RestoreTarget,
        /// Only from this repository
        #[arg(long)]
        repository: Option<Name>,
    },
    /// Restore a cluster into a new directory
    Run {
        #[command(flatten)]
        restore: RestoreArgs,
        #[command(flatten)]
        run: RunArgs,
        #[command(flatten)]
        wait: Wait,
    },
    /// List restores, the latest first
    List {
        /// Only of this cluster
        #[arg(long)]
        cluster: Option<Name>,
        /// Only in this state: planned, awaitingApproval, placing, running, validating,
        /// handingOver, done, failed, cancelled, expired or rejected
        #[arg(long)]
        state: Option<RestoreState>,
    },
    /// Show a restore, by its id or by that of its job, and what came of it
    Show {
        /// Its id
        id: String,
    },
    /// End a restore that is not restored yet
    Cancel {
        /// Its id
        id: String,
    },
    /// Restore a database of a dump into a running server, under a new name
    Dump {
        #[command(flatten)]
        restore: DumpRestoreArgs,
        #[command(flatten)]
        wait: Wait,
    },
}

#[derive(Debug, Args)]
pub(crate) struct DumpRestoreArgs {
    /// The cluster whose dump it is
    pub(crate) cluster: Name,
    /// The dump; the newest available one when it is not said
    #[arg(long, value_name = "ID")]
    pub(crate) backup: Option<BackupId>,
    /// The database, by its name in the dump
    #[arg(long, value_name = "NAME")]
    pub(crate) database: String,
    /// The database to make: it is not there yet, or holds nothing
    #[arg(long, value_name = "NAME")]
    pub(crate) into: String,
    /// The cluster on whose primary it is made; the same one when it is not said
    #[arg(long, value_name = "CLUSTER")]
    pub(crate) to_cluster: Option<Name>,
    /// How many processes restore
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) jobs: u32,
    /// The role that shall own everything; the roles of the dump when it is not said
    #[arg(long, value_name = "ROLE")]
    pub(crate) owner: Option<String>,
    /// Leave out what is granted to whom
    #[arg(long)]
    pub(crate) no_privileges: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// The cluster to restore
    pub(crate) cluster: Name,
    /// latest, an RFC 3339 time with offset, lsn:X, xid:N, name:S, immediate or backup:ID
    #[arg(long, value_name = "TARGET")]
    pub(crate) at: RestoreTarget,
    /// Stop before the target itself
    #[arg(long)]
    pub(crate) exclusive: bool,
    /// The new data directory: absent or empty, unless --delta is given
    #[arg(long)]
    pub(crate) dir: Option<String>,
    /// The agent on whose host it is made
    #[arg(long, conflicts_with = "region")]
    pub(crate) agent: Option<Name>,
    /// The region in which it is made, on the host that suits best
    #[arg(long)]
    pub(crate) region: Option<String>,
    /// The repository to read and no other; the nearest healthy one that holds what is
    /// asked for, and then the next, when not said
    #[arg(long)]
    pub(crate) repository: Option<Name>,
    /// Start PostgreSQL and leave it running at the target
    #[arg(long)]
    pub(crate) start: bool,
    /// The port to listen on
    #[arg(long, requires = "start")]
    pub(crate) port: Option<u16>,
    /// A setting of the restored server; repeatable
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
    pub(crate) set: Vec<(String, String)>,
    /// What PostgreSQL does at the target: promote, pause, or standby: it goes on
    /// replaying, from the repository or whom `--set primary_conninfo=…` names
    #[arg(long, default_value = "promote")]
    pub(crate) action: TargetAction,
    /// Where a tablespace goes, by where it was or by its name; `pg_wal=NEW`
    /// makes pg_wal a link; repeatable
    #[arg(long, value_name = "OLD=NEW", value_parser = parse_tablespace_mapping)]
    pub(crate) tablespace_map: Vec<(String, String)>,
    /// Write over what is in the directory: what is the same stays, what differs is
    /// written, what the backup does not have is removed
    #[arg(long)]
    pub(crate) delta: bool,
    /// With --delta: also over a data directory that Holdfast did not restore, or
    /// one of another system
    #[arg(long, requires = "delta")]
    pub(crate) force: bool,
    /// What is checked on the started server before it is handed over: a YAML file with
    /// what stands below `checks:` in a policy's drill, - for stdin
    #[arg(long, value_name = "FILE")]
    pub(crate) checks: Option<PathBuf>,
    /// A command that the agent runs then, by the name under which its host's agent.toml
    /// allows it; repeatable
    #[arg(long, value_name = "NAME")]
    pub(crate) hook: Vec<Name>,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Execute the plan that `restore plan` showed with this hash, and no other
    #[arg(long, value_name = "HASH")]
    pub(crate) plan_hash: Option<String>,
    /// Only rehearse it, as a drill: nothing is left of it but what it showed
    #[arg(long)]
    pub(crate) rehearse: bool,
    /// Declare what was restored as a cluster of this name, and take its first backup
    #[arg(long, value_name = "NAME", requires = "start")]
    pub(crate) register: Option<Name>,
    /// A label of that cluster, by which a policy selects it; repeatable; the original's
    /// labels when none is given
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting, requires = "register")]
    pub(crate) label: Vec<(String, String)>,
    /// The fleet of that cluster; the original's when not said
    #[arg(long, requires = "register")]
    pub(crate) fleet: Option<Name>,
    /// Whom to tell when it is there: a URL, which is sent the connection details;
    /// repeatable
    #[arg(long, value_name = "URL")]
    pub(crate) webhook: Vec<String>,
    /// The secret with which they are signed
    #[arg(long, value_name = "NAME", requires = "webhook")]
    pub(crate) webhook_secret: Option<Name>,
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a setting is NAME=VALUE")?;
    Ok((name.trim().to_owned(), value.to_owned()))
}

/// `holdfast unprotected …`
#[derive(Debug, Subcommand)]
pub(crate) enum Unprotected {
    /// List servers that agents found and no cluster declares, then clusters without a policy
    ///
    /// With `-o yaml` each server comes with the document that declares it.
    List {
        /// Also what somebody said needs no protection
        #[arg(long)]
        ignored: bool,
    },
    /// Say that a server needs no protection, and why
    Ignore {
        /// The agent on its host
        agent: Name,
        /// Its data directory
        directory: String,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Take back that a server needs no protection
    Heed {
        /// The agent on its host
        agent: Name,
        /// Its data directory
        directory: String,
    },
}
