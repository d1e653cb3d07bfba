//! Why a catalog was not made anew.

use std::path::PathBuf;

use holdfast_state::command::Finding;
use holdfast_types::resource::InvalidDocument;
use holdfast_types::{Failure, Name, RepositoryId};

use crate::app::error::AppError;
use crate::server::join::JoinError;
use crate::server::run::StartError;

/// Why a catalog was not made anew. Nothing is left in the directory.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The directory.
    #[error(transparent)]
    Directory(#[from] JoinError),
    /// A file that was named.
    #[error("{} cannot be read", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The documents are no YAML.
    #[error("{}: {problem}", path.display())]
    Yaml {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        problem: String,
    },
    /// A document is not valid.
    #[error("{what}: {problem}")]
    Document {
        /// Which.
        what: String,
        /// What is wrong with it.
        problem: InvalidDocument,
    },
    /// There is nothing to make a catalog from.
    #[error("{} declares no repository", .0.display())]
    NoRepository(PathBuf),
    /// A key or a secret was not given, or is of nothing.
    #[error("{0}")]
    Input(String),
    /// One of the repositories.
    #[error("the repository \"{name}\": {}", failure.message)]
    Repository {
        /// Which.
        name: Name,
        /// What is wrong with it.
        failure: Box<Failure>,
    },
    /// Two documents mean the same repository.
    #[error("\"{first}\" and \"{second}\" are the same repository, {identity}")]
    Twice {
        /// One of them.
        first: Name,
        /// The other.
        second: Name,
        /// What both are.
        identity: RepositoryId,
    },
    /// Something in a repository could not be taken in.
    #[error(
        "{} things in the repositories cannot be taken in: {}",
        .0.len(),
        listed(.0)
    )]
    Incomplete(Vec<(Name, Finding)>),
    /// This host.
    #[error(transparent)]
    Local(#[from] StartError),
    /// The state refused, or failed.
    #[error("the new state cannot be filled: {}", .0.message())]
    State(#[from] AppError),
}

fn listed(findings: &[(Name, Finding)]) -> String {
    let one = |(repository, finding): &(Name, Finding)| {
        let Finding {
            kind,
            subject,
            detail,
            ..
        } = finding;
        format!("\n  {repository}: {kind} {subject}: {detail}")
    };
    findings.iter().map(one).collect()
}

impl RebuildError {
    /// Stable, snake_case.
    pub fn code(&self) -> &str {
        match self {
            Self::Directory(_) => "node_directory_not_empty",
            Self::File { .. } | Self::Local(_) => "node_directory_unusable",
            Self::Yaml { .. } => "invalid_yaml",
            Self::Document { problem, .. } => problem.code,
            Self::NoRepository(_) => "no_repository_given",
            Self::Input(_) => "rebuild_input_missing",
            Self::Repository { failure, .. } => &failure.code,
            Self::Twice { .. } => "repository_given_twice",
            Self::Incomplete(_) => "rebuild_incomplete",
            Self::State(error) => error.code(),
        }
    }

    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Directory(error) => error.hint(),
            Self::File { .. } => "check the path, and who may read the file".to_owned(),
            Self::Yaml { .. } => "mend the YAML; nothing was made".to_owned(),
            Self::Document { .. } => {
                "give the document as `holdfast apply` would take it".to_owned()
            }
            Self::NoRepository(_) => "write a document of the kind Repository for each repository \
                 that is left"
                .to_owned(),
            Self::Input(_) => "give --key-file REPOSITORY=FILE for each repository and --secret \
                 NAME=FILE for each secret that its document names"
                .to_owned(),
            Self::Repository { failure, .. } => failure.hint.clone(),
            Self::Twice { .. } => {
                "leave out one of them: every backup in it would count twice".to_owned()
            }
            Self::Incomplete(_) => {
                "`holdfast-agent repo verify` says what is damaged; mend it, or give --partial to \
                 make a catalog of the rest"
                    .to_owned()
            }
            Self::Local(error) => error.hint(),
            Self::State(error) => error.hint().to_owned(),
        }
    }

    /// Whether nothing was changed because of what was given.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Directory(JoinError::NotEmpty { .. } | JoinError::AlreadyJoined(..))
            | Self::Yaml { .. }
            | Self::Document { .. }
            | Self::NoRepository(_)
            | Self::Input(_)
            | Self::Twice { .. }
            | Self::Incomplete(_) => true,
            Self::Repository { failure, .. } => !failure.retryable,
            Self::Directory(_) | Self::File { .. } | Self::Local(_) | Self::State(_) => false,
        }
    }
}
