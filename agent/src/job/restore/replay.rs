//! Phase replay: PostgreSQL replays to the end of the plan, and we watch.
//!
//! It never promotes by itself here (I-12): `latest` runs as a standby without
//! upstream, everything else pauses at the target. What we take for reached is
//! the position that the server says it has replayed.

use std::time::Duration;

use holdfast_pg::instance::{StartOptions, StopMode};
use holdfast_pg::sql::Session;
use holdfast_repo::failpoint;
use holdfast_types::{Failure, JobPhase, Lsn};
use tokio::time::Instant;

use super::config::Config;
use super::prepare::Ready;
use super::server::{self, Progress};
use super::settings::Ending;
use super::{Stopped, directory, watch};
use crate::job::JobContext;

const POLL: Duration = Duration::from_millis(200);
/// How often it is seen how far a server is that takes no connections yet.
const LOOK: Duration = Duration::from_secs(1);
/// pg_ctl waits until the copy is consistent; we wait for as long as it lives.
const START_TIMEOUT: Duration = Duration::from_secs(7 * 24 * 3600);
/// One record may take long, and the repository may be away for a while.
const NO_PROGRESS: Duration = Duration::from_secs(15 * 60);
/// How long `latest` goes on after the end of the plan while more WAL comes in.
/// Whoever restores a database that still works would wait for ever.
const BEYOND_MAX: Duration = Duration::from_secs(60);
pub(super) const STOP_TIMEOUT: Duration = Duration::from_secs(60);

/// A server that has reached the target.
pub(super) struct Replayed {
    pub(super) progress: Progress,
    pub(super) reached: Lsn,
}

pub(super) async fn run(
    cx: &JobContext,
    ready: &Ready,
    config: &Config,
) -> Result<Replayed, Stopped> {
    cx.enter(JobPhase::Replay);
    let (from, to) = (ready.plan.wal.from_lsn, ready.plan.wal.to_lsn);
    cx.expect_bytes(to.bytes_since(from));
    let ours = directory::ours(&ready.dir).display().to_string();
    let settings = [
        // On the command line, so that the next start has its own again.
        ("hba_file", format!("{ours}/pg_hba.conf")),
        ("logging_collector", "off".to_owned()),
        ("log_destination", "stderr".to_owned()),
    ];
    let options = StartOptions {
        log: server::log_path(&ready.dir),
        settings: settings
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
        timeout: START_TIMEOUT,
    };
    let done = start(cx, ready, &options).await?;
    cx.log("PostgreSQL runs and is consistent");
    failpoint!("restore::replay::started");
    follow(cx, ready, config, done).await
}

/// Starts the server, which replays to where the copy is consistent before it
/// takes connections. Returns how far it was seen to replay.
async fn start(cx: &JobContext, ready: &Ready, options: &StartOptions) -> Result<Lsn, Stopped> {
    let (from, to) = (ready.plan.wal.from_lsn, ready.plan.wal.to_lsn);
    let (mut done, mut seen) = (from, None);
    let mut moved = Instant::now();
    let instance = ready.instance();
    let starting = instance.start(options);
    tokio::pin!(starting);
    loop {
        tokio::select! {
            started = &mut starting => {
                started.map_err(|error| not_started(ready, &error))?;
                return Ok(done);
            }
            () = tokio::time::sleep(LOOK) => {}
        }
        let server = instance.running().ok().flatten();
        let size = ready.chain.segment_size();
        let now = server.and_then(|server| watch::recovering(server.pid, size));
        // Before it replays, and where its title says nothing, we only wait.
        if now != seen || now.is_none() {
            (seen, moved) = (now, Instant::now());
        }
        let at = now.map_or(done, |segment| segment.start().min(to).max(done));
        cx.add_bytes(at.bytes_since(done));
        done = at;
        if moved.elapsed() >= NO_PROGRESS {
            return Err(Stopped::Failed(stalled(ready, done)));
        }
    }
}

async fn follow(
    cx: &JobContext,
    ready: &Ready,
    config: &Config,
    mut done: Lsn,
) -> Result<Replayed, Stopped> {
    let to = ready.plan.wal.to_lsn;
    let mut session: Option<Session> = None;
    let mut moved = Instant::now();
    let mut beyond: Option<Instant> = None;
    loop {
        let asked = match session.take() {
            Some(session) => Ok(session),
            None => server::connect(&ready.dir, config).await,
        };
        let asked = match asked {
            Ok(session) => server::progress(&session)
                .await
                .map(|progress| (session, progress)),
            Err(error) => Err(error),
        };
        match asked {
            Ok((connected, progress)) => {
                let replayed = progress.replayed.unwrap_or(Lsn::INVALID);
                if replayed > done {
                    cx.add_bytes(replayed.min(to).bytes_since(done.min(to)));
                    (done, moved) = (replayed, Instant::now());
                }
                if replayed >= to {
                    beyond.get_or_insert_with(Instant::now);
                }
                let all = progress.drained || beyond.is_some_and(|at| at.elapsed() >= BEYOND_MAX);
                if let Some(reached) = judge(ready, config, &progress, all)? {
                    cx.log(format!("replayed to {reached}"));
                    return Ok(Replayed { progress, reached });
                }
                session = Some(connected);
            }
            Err(error) => {
                if is_gone(ready) {
                    return Err(Stopped::Failed(stopped(ready)));
                }
                tracing::debug!(%error, "the restored server does not answer");
            }
        }
        if moved.elapsed() >= NO_PROGRESS {
            return Err(Stopped::Failed(stalled(ready, done)));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Whether the target is reached; for `latest`, whether that was `all` the WAL there
/// is. A server that ended recovery by itself, or paused before the target, has failed.
fn judge(
    ready: &Ready,
    config: &Config,
    progress: &Progress,
    all: bool,
) -> Result<Option<Lsn>, Failure> {
    let to = ready.plan.wal.to_lsn;
    let replayed = progress.replayed.unwrap_or(Lsn::INVALID);
    let reached = replayed >= to;
    match config.ending {
        Ending::Standby if progress.in_recovery => Ok((reached && all).then_some(replayed)),
        Ending::At { .. } if progress.in_recovery && !progress.paused => Ok(None),
        // It promotes without a pause only when it took no connections when it
        // reached the target; then it is exactly there.
        _ if reached => Ok(Some(replayed)),
        _ => Err(Failure::permanent(
            "target_not_reached",
            format!(
                "PostgreSQL stopped replaying at {replayed}, before the target {to}. Its log ends \
                 with:\n{}",
                server::log_tail(&ready.dir)
            ),
            "look at the log: a setting may be too small (give it with --set), or WAL is damaged",
        )),
    }
}

/// Stops the server, if it runs.
pub(super) async fn stop(ready: &Ready) {
    let instance = ready.instance();
    if let Err(error) = instance.stop(StopMode::Immediate, STOP_TIMEOUT).await {
        tracing::warn!(dir = %ready.dir.display(), %error, "the restored server cannot be stopped");
    }
}

pub(super) fn is_gone(ready: &Ready) -> bool {
    matches!(ready.instance().running(), Ok(None))
}

fn not_started(ready: &Ready, error: &holdfast_pg::instance::Error) -> Failure {
    Failure::permanent(
        "postgres_did_not_start",
        format!(
            "PostgreSQL did not start in {}: {error}. Its log ends with:\n{}",
            ready.dir.display(),
            server::log_tail(&ready.dir)
        ),
        "the log says why; settings can be overridden with --set name=value",
    )
}

fn stopped(ready: &Ready) -> Failure {
    Failure::permanent(
        "postgres_stopped",
        format!(
            "PostgreSQL ended while it replayed WAL. Its log ends with:\n{}",
            server::log_tail(&ready.dir)
        ),
        "the log says why: WAL that is missing or damaged, a full volume, or a setting",
    )
}

fn stalled(ready: &Ready, at: Lsn) -> Failure {
    Failure::permanent(
        "replay_stalled",
        format!(
            "PostgreSQL has replayed nothing since {at} for {} minutes. Its log ends with:\n{}",
            NO_PROGRESS.as_secs() / 60,
            server::log_tail(&ready.dir)
        ),
        "check the repository: the WAL the plan relies on may be gone",
    )
}
