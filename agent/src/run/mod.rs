//! `holdfast-agent run`: the process, from its start to its end.

mod lock;
mod ready;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use holdfast_types::Failure;
use jiff::{SignedDuration, Timestamp};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use ready::Readiness;

use crate::command_error::CommandError;
use crate::config::Config;
use crate::failure::chain;
use crate::host::Host;
use crate::identity::{Identity, SharedIdentity};
use crate::journal::Journal;
use crate::offline::{Offline, OfflineParts};
use crate::session::{Link, LinkParts, Nodes, keep_fresh};
use crate::wal::LocalHandler;
use crate::work::{Executor, LocalRunner, Runner};
use crate::{discover, facts, socket};

/// The contract gives ten seconds from SIGTERM to the end.
const GRACE: Duration = Duration::from_secs(7);
const LAST_STEPS: Duration = Duration::from_secs(1);
/// A certificate that ends sooner than this is worth a warning.
const EXPIRES_SOON: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Runs the agent in `data` until SIGTERM or SIGINT.
pub async fn run(data: &Path, config: Config) -> Result<(), CommandError> {
    let stop = CancellationToken::new();
    stop_on_signals(stop.clone()).map_err(|error| failed("signals_unusable", &error))?;
    run_until(data, config, Arc::new(LocalRunner), stop).await
}

/// Runs the agent in `data` with another engine, until `stop` fires.
pub async fn run_until(
    data: &Path,
    config: Config,
    runner: Arc<dyn Runner>,
    stop: CancellationToken,
) -> Result<(), CommandError> {
    // Everything that PostgreSQL is told to run names the directory.
    let data = data
        .canonicalize()
        .map_err(|error| failed("directory_unusable", &error))?;
    let _lock = lock::take(&data)?;
    crate::job::sweep(&data);
    crate::job::drill::sweep(&data);
    crate::wal::fetch::clean(&data.join("spool"));
    let identity = Identity::read(&data).map_err(|error| CommandError::failed(error.failure()))?;
    warn_of_expiry(&identity);
    let journal = Journal::open(&data).map_err(|error| CommandError::failed(error.failure()))?;
    let host =
        Host::new(&data, config.host()).map_err(|error| failed("executable_unknown", &error))?;
    let executor = Executor::new(host.clone(), journal.clone(), runner);
    // First what needs nobody: WAL receiving goes on at once (I-08).
    executor
        .resume()
        .await
        .map_err(|error| CommandError::failed(error.failure()))?;
    let readiness = Readiness::new(&data, &config);
    let identity = SharedIdentity::new(identity);
    let nodes = Arc::new(Nodes::new(&data, config.control.servers.clone()));
    let renewing = keep_fresh(identity.clone(), nodes.clone(), data.clone(), stop.clone());
    let offline = Offline::new(OfflineParts {
        host: host.clone(),
        journal: journal.clone(),
        executor: executor.clone(),
        agent: (config.agent.id, config.agent.name.clone()),
        take_over_after: config.control.take_over_after,
    });
    let parts = LinkParts {
        facts: facts::observe(host.clone(), executor.instances(), stop.clone()),
        discovered: discover::discover(data.clone(), stop.clone()),
        executor: executor.clone(),
        readiness,
        identity,
        nodes,
        journal: journal.clone(),
        host: host.clone(),
    };
    let tasks = TaskTracker::new();
    tasks.spawn(crate::job::restore::take_back(host.clone()));
    let (applying, stopped) = (executor.clone(), stop.clone());
    tasks.spawn(async move { applying.run(stopped).await });
    tasks.spawn(Link::new(parts).run(stop.clone()));
    tasks.spawn(offline.run(stop.clone()));
    tasks.spawn(renewing);
    tasks.spawn(answer_locally(host.clone(), stop.clone()));
    tasks.spawn(keep_peers(host, journal, stop.clone()));
    tracing::info!(agent = %config.agent.name, "the agent runs");
    stop.cancelled().await;
    tracing::info!("the agent ends");
    ready::stopping();
    executor.stop(GRACE).await;
    tasks.close();
    if tokio::time::timeout(LAST_STEPS, tasks.wait())
        .await
        .is_err()
    {
        tracing::warn!("not everything ended in time");
    }
    Ok(())
}

async fn answer_locally(host: Host, stop: CancellationToken) {
    let path = host.socket_path();
    let handler = LocalHandler::new(host.clone());
    if let Err(error) = socket::serve(host, handler, stop).await {
        // WAL goes on being received; only wal-fetch and wal-push through us do
        // not work, and say so.
        let error = chain(&error);
        tracing::error!(%error, socket = %path.display(), "the local socket is not served");
    }
}

/// Users that may ask at the local socket stay allowed over restarts.
async fn keep_peers(host: Host, journal: Journal, stop: CancellationToken) {
    match journal.peers().await {
        Ok(peers) => peers.into_iter().for_each(|uid| host.peers().allow(uid)),
        Err(error) => tracing::warn!(error = %chain(&error), "allowed users are not known"),
    }
    let mut peers = host.peers().subscribe();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            changed = peers.changed() => if changed.is_err() { return },
        }
        let now = peers.borrow_and_update().clone();
        if let Err(error) = journal.keep_peers(&now).await {
            tracing::warn!(error = %chain(&error), "allowed users are not kept");
        }
    }
}

fn stop_on_signals(stop: CancellationToken) -> std::io::Result<()> {
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stop.cancel();
    });
    Ok(())
}

fn warn_of_expiry(identity: &Identity) {
    let Some(expires_at) = identity.expires_at() else {
        return;
    };
    let left = expires_at.duration_since(Timestamp::now());
    if left < EXPIRES_SOON {
        tracing::warn!(
            %expires_at,
            "the agent's certificate ends soon, and is renewed when a node can be reached; one that \
             has ended needs the agent to be revoked and enrolled anew"
        );
    }
}

fn failed(code: &str, error: &std::io::Error) -> CommandError {
    let hint = "check the agent's directory and the host";
    CommandError::failed(Failure::permanent(code, chain(error), hint))
}
