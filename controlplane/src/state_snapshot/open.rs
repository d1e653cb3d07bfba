//! Opening a repository on this node.

use std::error::Error as _;

use holdfast_consensus::StateView;
use holdfast_proto::RepositoryAccess;
use holdfast_repo::{Error, Repository, RepositoryKey, RepositoryUrl, StoreOptions, open_store};
use holdfast_state::command::RecordRepository;
use holdfast_state::query;
use holdfast_types::{Failure, Name};

use crate::app::App;
use crate::session::access;

/// What to do where no repository is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Absent {
    /// Make one, in an object store, if nobody needed it before. One in a
    /// directory must be there, or it is not mounted on this host.
    Init,
    /// Fail.
    Refuse,
}

/// Opens a repository as it is declared.
pub(crate) async fn open(
    app: &App,
    view: &StateView,
    name: &Name,
    absent: Absent,
) -> Result<Repository, Failure> {
    let found = access::repository(app, view, name).await;
    let access = found.map_err(|error| error.to_failure())?;
    let expected = query::repository_identity(view.connection(), name).await;
    let expected =
        expected.map_err(|error| crate::app::error::AppError::from(error).to_failure())?;
    let repository = open_at(&access, expected, absent).await?;
    if expected.is_none() {
        let command = RecordRepository {
            repository: name.clone(),
            identity: repository.id(),
        };
        let context = holdfast_consensus::ProposeContext::internal();
        let recorded = app.propose_as(context, command).await;
        recorded.map_err(|error| error.to_failure())?;
    }
    Ok(repository)
}

/// Opens what `access` says.
pub(crate) async fn open_at(
    access: &RepositoryAccess,
    expected: Option<holdfast_types::RepositoryId>,
    absent: Absent,
) -> Result<Repository, Failure> {
    let url: RepositoryUrl = access.url.parse().map_err(|error| failure_of(&error))?;
    let key = RepositoryKey::from_text(&access.key).ok_or_else(|| {
        Failure::permanent(
            "bad_repository_key",
            format!(
                "the key of \"{}\" is not 64 hexadecimal characters",
                access.name
            ),
            "set the secret that holds the key anew",
        )
    })?;
    let options = StoreOptions {
        endpoint: access.endpoint.clone(),
        region: access.region.clone(),
        credentials: access.credentials.clone(),
        ..StoreOptions::default()
    };
    let store = open_store(&url, &options).map_err(|error| failure_of(&error))?;
    let opened = match Repository::open(store.clone(), &key, expected).await {
        Err(Error::NotARepository { .. }) if url.directory().is_some() => {
            return Err(not_on_this_node(&url));
        }
        Err(Error::NotARepository { .. }) if absent == Absent::Init && expected.is_none() => {
            Repository::init(store, &key).await
        }
        opened => opened,
    };
    opened.map_err(|error| failure_of(&error))
}

fn not_on_this_node(url: &RepositoryUrl) -> Failure {
    let message = format!(
        "{url} is not there on this node: the path of a file repository is one of the agents' hosts"
    );
    let hint = "mount the same directory on every node, or keep the state in a repository in an \
                object store: `holdfast snapshot schedule --repository NAME`";
    Failure::transient("repository_not_on_node", message, hint)
}

/// What a repository said, for a row or a person.
pub(crate) fn failure_of(error: &Error) -> Failure {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        message.push_str(": ");
        message.push_str(&next.to_string());
        cause = next.source();
    }
    Failure {
        retryable: error.is_transient(),
        ..Failure::permanent(error.code(), message, error.hint())
    }
}
