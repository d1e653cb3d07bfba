//! Policies: names, flags and help.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use holdfast_types::{ByteSize, Name, Span};

#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    /// Print a policy for what you need as YAML, with its reasons; applies nothing
    ///
    /// The least that suffices: dumps, base backups, archived WAL or streamed WAL.
    Suggest(Suggest),
    /// Show what applying a file would change, for which clusters; changes nothing
    Preview {
        /// A YAML file with policies, and what else is applied with them; - for
        /// standard input
        file: PathBuf,
        /// How many runs of each policy
        #[arg(short = 'n', long = "runs", default_value_t = 10, value_name = "COUNT")]
        count: usize,
    },
    /// Show what a policy said, who changed it and when; the newest first
    History {
        /// The policy; one that was deleted too
        name: Name,
        /// Print what it said at this revision, as YAML that can be applied
        revision: Option<u64>,
    },
    /// Apply again what a policy said at a revision; a deleted one comes back
    Rollback {
        /// The policy
        name: Name,
        /// The revision, as `policy history` shows it
        revision: u64,
        /// Only show what would change
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Suggest {
    /// How much may be lost, such as 30s
    #[arg(long, value_name = "DURATION")]
    pub(crate) rpo: Span,
    /// How long a restore may take, such as 30m
    #[arg(long, value_name = "DURATION")]
    pub(crate) rto: Span,
    /// How large the database is, such as 200GiB
    #[arg(long, value_name = "SIZE")]
    pub(crate) size: ByteSize,
    /// How far back any point in time shall be restorable, such as 14d
    #[arg(long, value_name = "DURATION")]
    pub(crate) window: Option<Span>,
    /// The name of the policy [default: suggested]
    #[arg(long)]
    pub(crate) name: Option<Name>,
    /// A label of the clusters it is for; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    pub(crate) labels: Vec<(String, String)>,
    /// Where backups go [default: the first repository by name]
    #[arg(long)]
    pub(crate) repository: Option<Name>,
    /// Where they are copied to
    #[arg(long, value_name = "REPOSITORY")]
    pub(crate) copy: Option<Name>,
}

fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text
        .split_once('=')
        .ok_or_else(|| "a label is KEY=VALUE".to_owned())?;
    Ok((key.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::cli::Cli;

    #[test]
    fn what_is_needed_is_asked_for() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' ')).is_ok();
        assert!(parse(
            "holdfast policy suggest --rpo 30s --rto 30m --size 10GiB"
        ));
        assert!(parse(
            "holdfast policy suggest --rpo 30s --rto 30m --size 10GiB --label tier=gold --copy us"
        ));
        for bad in [
            "holdfast policy suggest --rpo 30s --size 10GiB",
            "holdfast policy suggest --rpo soon --rto 30m --size 10GiB",
            "holdfast policy suggest --rpo 30s --rto 30m --size 10GB",
            "holdfast policy suggest --rpo 30s --rto 30m --size 10GiB --label gold",
            "holdfast policy rollback gold",
            "holdfast policy rollback gold latest",
            "holdfast get cluster --effective",
        ] {
            assert!(!parse(bad), "{bad}");
        }
    }
}
