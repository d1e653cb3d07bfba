//! The command line: names, flags and help.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use holdfast_types::drill::{DrillKind, DrillPoint, DrillVerdict};
use holdfast_types::{Name, Span};

use crate::output::Wanted;

mod alarm;
mod compliance;
mod policy;
mod protection;
mod report;

pub(crate) use alarm::{Alarm, Channel, Silence};
pub(crate) use compliance::{Asked, Compliance, Exemption};
pub(crate) use policy::{Policy, Suggest};
pub(crate) use protection::{
    Backup, Dump, DumpRestoreArgs, Restore, RestoreArgs, RunArgs, Unprotected,
};
pub(crate) use report::Report;

/// Protects fleets of PostgreSQL clusters, and proves it.
#[derive(Debug, Parser)]
#[command(
    name = "holdfast",
    version,
    propagate_version = true,
    max_term_width = 100
)]
#[command(
    after_help = "Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 refused and nothing changed."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where the control plane is, who we are, how to print.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// REST addresses of the control plane's nodes, such as http://127.0.0.1:8080
    #[arg(
        long,
        env = "HOLDFAST_SERVER",
        value_delimiter = ',',
        global = true,
        value_name = "URL[,URL…]"
    )]
    pub(crate) server: Vec<String>,
    /// An API token, instead of a login
    #[arg(
        long,
        env = "HOLDFAST_TOKEN",
        hide_env_values = true,
        global = true,
        value_name = "TOKEN"
    )]
    pub(crate) token: Option<String>,
    /// The control plane's CA certificate, for https
    #[arg(long, env = "HOLDFAST_CA", global = true, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Why, for the others who have to consent to this
    #[arg(long, global = true, value_name = "TEXT")]
    pub(crate) because: Option<String>,
    /// How to print results
    #[arg(
        short,
        long,
        global = true,
        default_value = "table",
        value_name = "FORMAT"
    )]
    pub(crate) output: Wanted,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Log in and keep the login in ~/.config/holdfast/config.toml
    Login(Login),
    /// End the login
    Logout,
    /// Show the control plane, its agents, jobs and exposure in one view
    Status,
    /// Print the version
    Version,
    /// Print a completion script for a shell
    Completion {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Create or change resources from YAML, all or none
    Apply(Apply),
    /// Show resources
    Get {
        /// repositories, fleets, clusters, policies, drill-plans, role-bindings or
        /// notification-channels
        kind: String,
        /// One by name
        name: Option<Name>,
        /// Of a cluster: the policy in force, each field with its origin
        #[arg(long, requires = "name")]
        effective: bool,
    },
    /// Delete a resource
    Delete {
        /// repository, fleet, cluster, policy, drill-plan, role-binding or
        /// notification-channel
        kind: String,
        /// Its name
        name: Name,
    },
    /// Keep passwords and credentials, sealed
    #[command(subcommand)]
    Secret(Secret),
    /// Manage users
    #[command(subcommand)]
    User(User),
    /// Manage API tokens
    #[command(subcommand)]
    Token(Token),
    /// Manage repositories' keys
    #[command(subcommand)]
    Repository(Repository),
    /// Manage the agents on database hosts
    #[command(subcommand)]
    Agent(Agent),
    /// Manage the control plane's own nodes
    #[command(subcommand)]
    Node(Node),
    /// Keep the control plane's own state safe: take a snapshot now, or list them
    Snapshot(Snapshot),
    /// See what policies would do, did before and promise
    #[command(subcommand)]
    Policy(Policy),
    /// Take and list backups
    #[command(subcommand)]
    Backup(Backup),
    /// Plan and run restores
    #[command(subcommand)]
    Restore(Box<Restore>),
    /// Rehearse restores, and show what that proves
    #[command(subcommand)]
    Drill(Box<Drill>),
    /// Follow jobs
    #[command(subcommand)]
    Job(Job),
    /// See what nobody protects: servers that agents found, clusters without a policy
    #[command(subcommand)]
    Unprotected(Unprotected),
    /// Show who could lose how much right now, against the RPO
    Exposure {
        /// One cluster
        cluster: Option<Name>,
        /// The clusters of a fleet
        #[arg(long)]
        fleet: Option<Name>,
    },
    /// Show what one could restore a cluster to over time, and the holes in that
    Coverage {
        /// The cluster
        cluster: Name,
        /// Leave out what ended before, as an RFC 3339 time
        #[arg(long, value_name = "TIME")]
        from: Option<jiff::Timestamp>,
        /// Leave out what began later
        #[arg(long, value_name = "TIME")]
        to: Option<jiff::Timestamp>,
        /// Only of this repository
        #[arg(long)]
        repository: Option<Name>,
    },
    /// Show what clusters were exposed to, and when that was too much
    #[command(subcommand)]
    Compliance(Compliance),
    /// Excuse a cluster from its RPO for a while
    #[command(subcommand)]
    Exemption(Exemption),
    /// See what is wrong, take it on, or have nobody told for a while
    #[command(subcommand)]
    Alarm(Alarm),
    /// Try where alarms are told, and see what arrived
    #[command(subcommand)]
    Channel(Channel),
    /// See what others ask for, and consent to it or refuse
    #[command(subcommand)]
    Approval(Approval),
    /// See what roles permit
    #[command(subcommand)]
    Role(Role),
    /// Make signed reports for auditors, and verify them
    #[command(subcommand)]
    Report(Report),
    /// Show who changed what
    #[command(subcommand)]
    Audit(Audit),
}

#[derive(Debug, Args)]
pub(crate) struct Login {
    /// The user
    #[arg(long, short)]
    pub(crate) user: String,
    /// Read the password from standard input
    #[arg(long)]
    pub(crate) password_stdin: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// A YAML file, may hold several documents; - for standard input; repeatable
    #[arg(short, long = "file", required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Check everything and say what would change; change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Secret {
    /// Store a secret
    #[command(group = clap::ArgGroup::new("source").required(true))]
    Set {
        /// Its name
        name: Name,
        /// Read it from a file; - for standard input
        #[arg(long, group = "source", value_name = "FILE")]
        from_file: Option<PathBuf>,
        /// Read it from an environment variable
        #[arg(long, group = "source", value_name = "VARIABLE")]
        from_env: Option<String>,
    },
    /// List names; contents are never shown
    List,
    /// Delete a secret
    Delete {
        /// Its name
        name: Name,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Approval {
    /// List requests, newest first
    List {
        /// pending, rejected, expired, cancelled, executed or failed
        #[arg(long)]
        state: Option<String>,
    },
    /// Show a request: what exactly would be done
    Show {
        /// Its id
        id: String,
    },
    /// Consent; with the last consent needed it is done
    Approve {
        /// Its id
        id: String,
        /// For the record
        #[arg(long)]
        note: Option<String>,
    },
    /// Refuse, which ends the request
    Reject {
        /// Its id
        id: String,
        /// For the record
        #[arg(long)]
        note: Option<String>,
    },
    /// Take a request back
    Cancel {
        /// Its id
        id: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    /// List the roles there are
    List {
        /// Only the roles of whoever asks, with their scopes
        #[arg(long)]
        mine: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum User {
    /// Create a user
    Create {
        /// Login name
        name: Name,
        /// Read the password from standard input
        #[arg(long)]
        password_stdin: bool,
    },
    /// List users
    List,
    /// Set a user's password
    Password {
        /// Login name
        name: Name,
        /// Read the password from standard input
        #[arg(long)]
        password_stdin: bool,
    },
    /// Delete a user, with logins and tokens
    Delete {
        /// Login name
        name: Name,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Create an API token; it is shown this once
    Create {
        /// What it is for
        name: Name,
        /// How long it lasts, such as 90d; for ever when not said
        #[arg(long)]
        expires_in: Option<Span>,
    },
    /// List tokens
    List,
    /// End a token
    Revoke {
        /// Its id or name
        // Not `token`: that is the global flag, which clap would fill instead.
        #[arg(value_name = "TOKEN")]
        id_or_name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Repository {
    /// Compare repositories with the catalog, take in what it does not know,
    /// and show what still differs
    Check {
        /// One repository [default: all]
        name: Option<Name>,
        /// How long to wait; the comparison goes on afterwards
        #[arg(long, default_value = "10m")]
        timeout: Span,
    },
    /// List repositories
    List,
    /// Work with a repository's key
    #[command(subcommand)]
    Key(RepositoryKey),
}

#[derive(Debug, Subcommand)]
pub(crate) enum RepositoryKey {
    /// Print the key, which alone restores without any control plane; audited
    Export {
        /// The repository
        name: Name,
        /// Write it to a new file of mode 0600 instead
        #[arg(long, value_name = "FILE")]
        to_file: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Agent {
    /// Manage join tokens
    #[command(subcommand)]
    Token(AgentToken),
    /// List agents
    List,
    /// Refuse an agent from now on; its name is free again
    Revoke {
        /// Its name
        name: Name,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Node {
    /// List the nodes
    List,
    /// Make a token with which one node can join, once
    Add {
        /// How long it can be used
        #[arg(long, default_value = "1h")]
        ttl: Span,
    },
    /// Take a node out of the group; refused when no quorum would be left
    Remove {
        /// Its id or name
        node: String,
        /// Only show what would be left
        #[arg(long)]
        dry_run: bool,
    },
    /// Make a node lead
    Lead {
        /// Its id or name
        node: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Snapshot {
    #[command(subcommand)]
    pub(crate) command: Option<SnapshotCommand>,
    /// Into which repository [default: that of `snapshot schedule`]
    #[arg(long)]
    pub(crate) repository: Option<Name>,
    /// How long to wait for it; it goes on afterwards
    #[arg(long, default_value = "10m")]
    pub(crate) timeout: Span,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SnapshotCommand {
    /// List the snapshots, the newest first
    List,
    /// Say where and how often snapshots are taken, or show it
    Schedule {
        /// Into which repository
        #[arg(long, id = "into")]
        repository: Option<Name>,
        /// How often
        #[arg(long, default_value = "15m", requires = "into")]
        every: Span,
        /// How many are kept
        #[arg(long, default_value_t = 96, requires = "into")]
        keep: u32,
        /// Take none any more
        #[arg(long, conflicts_with = "into")]
        off: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum AgentToken {
    /// Create a token with which one agent can enrol, once
    Create {
        /// How long it can be used
        #[arg(long, default_value = "1h")]
        ttl: Span,
        /// The region of the agent
        #[arg(long)]
        region: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Drill {
    /// Rehearse a restore of a cluster on a server that is thrown away
    Run {
        /// The cluster
        cluster: Name,
        /// To which point: latest, random, or the target of a restore
        #[arg(long, default_value = "latest", value_name = "POINT")]
        at: DrillPoint,
        /// From a base backup and WAL (physical) or from a dump (logical)
        #[arg(long)]
        kind: Option<DrillKind>,
        /// The repository to restore from [default: the policy's]
        #[arg(long)]
        repository: Option<Name>,
        /// On this agent's host, the primary's own too [default: one that is not the primary's]
        #[arg(long, conflicts_with = "region")]
        agent: Option<Name>,
        /// On a host of this region
        #[arg(long)]
        region: Option<String>,
        /// In which database queries are asked that name none
        #[arg(long)]
        database: Option<String>,
        /// A YAML file with the list of checks; - for standard input
        /// [default: the checks of the policy's first drill]
        #[arg(long, value_name = "FILE")]
        checks: Option<PathBuf>,
        #[command(flatten)]
        wait: Wait,
    },
    /// List drills that have ended, the latest first
    List {
        /// Of a cluster
        #[arg(long)]
        cluster: Option<Name>,
        /// Of the clusters of a fleet
        #[arg(long)]
        fleet: Option<Name>,
        /// That ended so: passed, failed or cancelled
        #[arg(long)]
        verdict: Option<DrillVerdict>,
    },
    /// Show what a drill showed; exits with 1 when it did not pass
    Show {
        /// Its id, or that of its job
        id: String,
    },
}

/// Waiting for a job.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Wait {
    /// Wait until the job has ended
    #[arg(long)]
    pub(crate) wait: bool,
    /// Give up waiting after this long; the job goes on
    #[arg(long, requires = "wait", value_name = "DURATION")]
    pub(crate) timeout: Option<Span>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Job {
    /// List jobs, newest first
    List {
        /// Jobs of a cluster
        #[arg(long)]
        cluster: Option<Name>,
        /// Jobs in a state, such as running
        #[arg(long)]
        state: Option<holdfast_types::JobState>,
        /// Jobs of a kind, such as backup
        #[arg(long)]
        kind: Option<holdfast_types::JobKind>,
        /// Jobs of the clusters of a fleet
        #[arg(long)]
        fleet: Option<Name>,
        /// Jobs that an agent has, had last, or is asked to do
        #[arg(long)]
        agent: Option<Name>,
        /// Jobs that were asked for since then, as an RFC 3339 time
        #[arg(long, value_name = "TIME")]
        since: Option<jiff::Timestamp>,
        /// Results that came too late to count, of any job
        #[arg(long, conflicts_with_all = ["cluster", "state", "kind", "fleet", "agent", "since"])]
        late: bool,
    },
    /// Show a job with its phases and attempts
    Show {
        /// Its id
        id: String,
    },
    /// Print a job's log
    Logs {
        /// Its id
        id: String,
    },
    /// Ask a job to end
    Cancel {
        /// Its id
        id: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// List entries, newest first
    List {
        /// By this user, token or agent
        #[arg(long)]
        principal: Option<String>,
        /// Of this action
        #[arg(long)]
        action: Option<String>,
        /// Not before this RFC 3339 time
        #[arg(long)]
        since: Option<jiff::Timestamp>,
        /// At most this many
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_timeout_needs_something_to_wait_for() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' '));
        assert!(parse("holdfast backup run orders --timeout 5m").is_err());
        assert!(parse("holdfast backup run orders --wait --timeout 5m").is_ok());
        assert!(parse("holdfast restore plan orders --at now --dir /x --agent a").is_err());
    }
}
