//! Compliance and exemptions: names, flags and help.

use clap::{Args, Subcommand};
use holdfast_types::Name;
use jiff::Timestamp;

#[derive(Debug, Subcommand)]
pub(crate) enum Compliance {
    /// Show what a period was like: of one cluster with its states and violations, or
    /// of all in numbers
    Show {
        /// One cluster
        cluster: Option<Name>,
        /// The clusters of a fleet
        #[arg(long, conflicts_with = "cluster")]
        fleet: Option<Name>,
        #[command(flatten)]
        asked: Asked,
    },
    /// List when exposure was above the RPO, and why
    Violations {
        /// One cluster
        cluster: Option<Name>,
        /// The clusters of a fleet
        #[arg(long)]
        fleet: Option<Name>,
        /// Only those that are not over
        #[arg(long)]
        open: bool,
        #[command(flatten)]
        asked: Asked,
    },
}

/// Which time is asked about, and what was known of it when.
#[derive(Debug, Clone, Args)]
pub(crate) struct Asked {
    /// The period's first moment; 30 days before its end when it is not said
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<Timestamp>,
    /// The moment after its last; now when it is not said
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<Timestamp>,
    /// What was known by then counts, and nothing that came later
    #[arg(long, value_name = "TIME")]
    pub(crate) as_known_at: Option<Timestamp>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Exemption {
    /// Ask to excuse a cluster; another person has to consent
    Request {
        /// The cluster
        cluster: Name,
        /// When it ends by itself, within a year
        #[arg(long, value_name = "TIME")]
        until: Timestamp,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// List exemptions, the latest first
    List {
        /// Only of this cluster
        cluster: Option<Name>,
        /// Only those that excuse now
        #[arg(long)]
        in_force: bool,
    },
    /// End an exemption before its time
    End {
        /// Its id
        id: String,
    },
}
