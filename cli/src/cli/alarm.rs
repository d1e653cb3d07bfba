//! Alarms and channels: names, flags and help.

use clap::{Args, Subcommand};
use holdfast_types::alarm::{AlarmRule, DeliveryState, Severity};
use holdfast_types::{Name, Span};
use jiff::Timestamp;

#[derive(Debug, Subcommand)]
pub(crate) enum Alarm {
    /// List alarms, newest first
    List {
        /// open, closed or any
        #[arg(long, default_value = "open")]
        state: String,
        /// Only of this rule, such as agent_absent
        #[arg(long)]
        rule: Option<AlarmRule>,
        /// info, warning or critical
        #[arg(long)]
        severity: Option<Severity>,
        /// Only of this fleet
        #[arg(long)]
        fleet: Option<Name>,
        /// Only of this cluster
        #[arg(long)]
        cluster: Option<Name>,
    },
    /// Show an alarm
    Show {
        /// Its id
        id: String,
    },
    /// Take an alarm on: it escalates no further
    Acknowledge {
        /// Its id
        id: String,
        /// For the others
        #[arg(long)]
        note: Option<String>,
    },
    /// Have nobody told of some alarms for a while; they open and close as ever
    Silence(Silence),
    /// List the silences that are not over
    Silences,
    /// End a silence; what is still open is told
    Unsilence {
        /// Its id
        id: String,
    },
}

/// Which alarms, until when and why.
#[derive(Debug, Args)]
pub(crate) struct Silence {
    /// Only of this rule
    #[arg(long)]
    pub(crate) rule: Option<AlarmRule>,
    /// Only of this fleet
    #[arg(long)]
    pub(crate) fleet: Option<Name>,
    /// Only of this cluster
    #[arg(long)]
    pub(crate) cluster: Option<Name>,
    /// Until when, as an RFC 3339 time
    #[arg(long, value_name = "TIME", conflicts_with = "length")]
    pub(crate) until: Option<Timestamp>,
    /// For how long, such as 2h
    #[arg(long = "for", value_name = "DURATION")]
    pub(crate) length: Option<Span>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Channel {
    /// Send a test message, and say what the channel said
    Test {
        /// The channel
        name: Name,
    },
    /// List what a channel is and was told, newest first
    Deliveries {
        /// The channel
        name: Name,
        /// pending, sent or failed
        #[arg(long)]
        state: Option<DeliveryState>,
    },
}
