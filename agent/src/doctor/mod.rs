//! `holdfast-agent doctor`: what this host lacks, as exact statements.
//!
//! It looks at every instance that the agent knows from its journal and at
//! those given on the command line, and changes nothing. Each check says what
//! cannot be done without it and what to run; later checks are still made when
//! an earlier one fails, so that one visit is enough.

mod check;
mod finding;
mod host;
mod settings;
mod show;

use std::path::PathBuf;

use holdfast_proto::{InstanceAccess, Work};
use holdfast_types::resource::WalMode;
use holdfast_types::{Name, Secret};

pub use finding::{Diagnosis, Finding};
pub use show::{json, text};

use crate::command_error::CommandError;
use crate::config::Config;
use crate::journal::{self, Journal};

/// What to look at.
#[derive(Debug, Clone)]
pub struct Examine {
    /// The agent's directory; its instances are looked at when it has one.
    pub data: PathBuf,
    /// A further instance.
    pub connection: Option<String>,
    /// The password for that one.
    pub password: Option<Secret>,
    /// Where PostgreSQL's programs may be.
    pub bin_dirs: Vec<PathBuf>,
}

/// An instance to be looked at.
#[derive(Debug, Clone)]
pub struct Patient {
    /// The cluster it belongs to, when that is known.
    pub cluster: Option<Name>,
    /// How to reach it.
    pub access: InstanceAccess,
    /// How its WAL comes, when the agent has that duty.
    pub mode: Option<WalMode>,
}

/// Looks at everything.
pub async fn examine(
    examine: &Examine,
    config: Option<&Config>,
) -> Result<Vec<Diagnosis>, CommandError> {
    let mut patients = Vec::new();
    if config.is_some() && examine.data.join(journal::FILE).exists() {
        let journal =
            Journal::open(&examine.data).map_err(|error| CommandError::failed(error.failure()))?;
        let standing = journal.standing().await;
        let standing = standing.map_err(|error| CommandError::failed(error.failure()))?;
        let duties = &standing.assignments;
        let mode = |cluster: &Name| {
            duties.iter().find_map(|duty| match &duty.work {
                Work::ReceiveWal(work) if work.cluster == *cluster => Some(work.mode),
                _ => None,
            })
        };
        patients.extend(standing.instances.into_iter().map(|observed| Patient {
            mode: mode(&observed.cluster),
            cluster: Some(observed.cluster),
            access: observed.instance,
        }));
    }
    if let Some(connection) = &examine.connection {
        let access = InstanceAccess {
            connection: connection.clone(),
            password: examine.password.clone(),
            data_directory: None,
            system_identifier: None,
        };
        patients.push(Patient {
            cluster: None,
            access,
            mode: None,
        });
    }
    let mut bin_dirs = examine.bin_dirs.clone();
    bin_dirs.extend(
        config
            .iter()
            .flat_map(|config| config.postgres.bin_dirs.clone()),
    );
    let mut diagnoses = Vec::new();
    for patient in &patients {
        diagnoses.push(check::instance(patient, &bin_dirs).await);
    }
    Ok(diagnoses)
}
