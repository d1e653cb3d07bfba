//! Runs the commands that the owner of this host allows by name: at the end of a restore,
//! one after the other, until one fails.
//!
//! They run as the owner of the directory, as PostgreSQL's programs do, with no shell, in
//! an environment that is made for them, and no longer than they may. Each is run once: a
//! job that is lost in the middle is not begun again. What they come to is reported and
//! decides nothing here: what was restored is whole by then and may be in use, so that not
//! even whoever cancels takes it away (I-12).

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use holdfast_pg::binaries::RunAs;
use holdfast_proto::RestoreWork;
use holdfast_types::restoring::STEP_HOOK;
use holdfast_types::{Failure, HookRun, Name, RestoreId, RestoreResult};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::host::{HookConfig, Host, hook_problem};
use crate::job::JobContext;

/// The end of what a hook writes that is kept.
const OUTPUT_BYTES: usize = 4096;
/// What it started may hold its output open for ever.
const OUTPUT_PATIENCE: Duration = Duration::from_secs(1);
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

pub(super) async fn run(
    work: &RestoreWork,
    cx: &JobContext,
    (host, dir): (&Host, &Path),
    result: &RestoreResult,
) -> Vec<HookRun> {
    let mut ran = Vec::new();
    for name in &work.request.hooks {
        cx.log(format!("hook {name} begins"));
        let one = run_one(name, cx, (work, host, dir), result).await;
        let told = match &one.failure {
            None => format!("hook {name} is done"),
            Some(failure) => format!("hook {name} failed: {}", failure.message),
        };
        cx.log(told);
        let failed = one.failure.is_some();
        ran.push(one);
        if failed {
            break;
        }
    }
    ran
}

async fn run_one(
    name: &Name,
    cx: &JobContext,
    (work, host, dir): (&RestoreWork, &Host, &Path),
    result: &RestoreResult,
) -> HookRun {
    let restore = RestoreId::from_uuid(work.job.uuid());
    let mut run = HookRun {
        name: name.clone(),
        key: format!("{restore}.{STEP_HOOK}.{name}"),
        exit_code: None,
        millis: 0,
        output: String::new(),
        failure: None,
    };
    let hooks = &host.config().hooks;
    // Only what its owner allows, whatever was planned.
    let hook = match (hooks.get(name), hook_problem(hooks, name)) {
        (Some(hook), None) => hook,
        (_, problem) => {
            run.failure = problem;
            return run;
        }
    };
    let began = Instant::now();
    let variables = variables(work, (restore, &run), result);
    let executed = tokio::select! {
        biased;
        // It ends with the future that waits for it.
        () = cx.cancel().cancelled() => None,
        executed = execute(hook, dir, variables) => Some(executed),
    };
    match executed {
        Some(Ok((status, output))) => {
            run.exit_code = status.and_then(|status| status.code());
            run.output = output;
            run.failure = judge(name, hook, status, &run.output);
        }
        Some(Err(why)) => {
            let why = format!("the hook \"{name}\" cannot be run: {why}");
            run.failure = Some(failed(why));
        }
        None => {
            let why = format!("the hook \"{name}\" was ended, because the restore was cancelled");
            run.failure = Some(failed(why));
        }
    }
    run.millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    run
}

/// What it is told. Nothing of it is secret.
fn variables(
    work: &RestoreWork,
    (restore, run): (RestoreId, &HookRun),
    result: &RestoreResult,
) -> Vec<(&'static str, String)> {
    let mut variables = vec![
        ("PATH", PATH.to_owned()),
        ("LANG", "C.UTF-8".to_owned()),
        ("HOLDFAST_KEY", run.key.clone()),
        ("HOLDFAST_HOOK", run.name.to_string()),
        ("HOLDFAST_RESTORE_ID", restore.to_string()),
        ("HOLDFAST_CLUSTER", work.request.cluster.to_string()),
        ("HOLDFAST_BACKUP_ID", work.plan.backup.to_string()),
        ("HOLDFAST_TARGET", work.request.at.to_string()),
        ("HOLDFAST_ACTION", work.request.action.to_string()),
        ("HOLDFAST_AGENT", work.request.agent.to_string()),
        ("HOLDFAST_DATA_DIR", result.dir.clone()),
        ("HOLDFAST_TIMELINE", result.timeline.to_string()),
        ("HOLDFAST_REACHED_LSN", result.reached_lsn.to_string()),
    ];
    if let Some(time) = result.reached_time {
        variables.push(("HOLDFAST_REACHED_TIME", time.to_string()));
    }
    // Only of a server that runs.
    if let Some(port) = result.port {
        variables.push(("HOLDFAST_PORT", port.to_string()));
    }
    if let Some(sockets) = &result.socket_dir {
        variables.push(("HOLDFAST_SOCKET_DIR", sockets.clone()));
    }
    variables
}

/// How it ended, and the end of what it wrote; `None` when it took too long.
async fn execute(
    hook: &HookConfig,
    dir: &Path,
    variables: Vec<(&'static str, String)>,
) -> Result<(Option<ExitStatus>, String), String> {
    let owner = RunAs::owner_of(dir).map_err(|error| error.to_string())?;
    let mut command = owner.command(hook.program());
    command
        .args(hook.command.iter().skip(1))
        .env_clear()
        .envs(variables)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // With what it starts it is one group, and ended as one.
        .process_group(0);
    let mut command = tokio::process::Command::from(command);
    let spawned = command.kill_on_drop(true).spawn();
    let mut child = spawned.map_err(|error| error.to_string())?;
    let group = Group::of(child.id());
    let tail = Tail::default();
    let reads = [
        child.stdout.take().map(|from| tail.read(from)),
        child.stderr.take().map(|from| tail.read(from)),
    ];
    let ended = match tokio::time::timeout(hook.timeout.get(), child.wait()).await {
        Ok(ended) => Some(ended.map_err(|error| error.to_string())?),
        Err(_) => None,
    };
    if ended.is_none() {
        drop(group);
        let _ = child.wait().await;
    } else {
        // What it left behind on purpose, such as a server, goes on.
        group.leave();
    }
    for read in reads.into_iter().flatten() {
        let stop = read.abort_handle();
        if tokio::time::timeout(OUTPUT_PATIENCE, read).await.is_err() {
            stop.abort();
        }
    }
    Ok((ended, tail.text()))
}

fn judge(
    name: &Name,
    hook: &HookConfig,
    status: Option<ExitStatus>,
    output: &str,
) -> Option<Failure> {
    let why = match status {
        Some(status) if status.success() => return None,
        Some(status) => match (status.code(), status.signal()) {
            (Some(code), _) => format!("ended with {code}"),
            (None, Some(signal)) => format!("was ended by signal {signal}"),
            (None, None) => status.to_string(),
        },
        None => format!("took longer than {} and was ended", hook.timeout),
    };
    let last = output.trim_end().lines().next_back().unwrap_or_default();
    let said = match last.is_empty() {
        true => String::new(),
        false => format!("; it wrote last: {last}"),
    };
    Some(failed(format!("the hook \"{name}\" {why}{said}")))
}

fn failed(message: String) -> Failure {
    Failure::permanent(
        "hook_failed",
        message,
        "what was restored is there: look at what the hook wrote (`holdfast restore show`), and do \
         by hand what it was to do",
    )
}

/// The processes of a hook, which are ended with it unless it ended by itself.
struct Group(Option<Pid>);

impl Group {
    fn of(process: Option<u32>) -> Self {
        let number = process.and_then(|id| i32::try_from(id).ok());
        Self(number.and_then(Pid::from_raw))
    }

    fn leave(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0
            && let Err(error) = kill_process_group(group, Signal::KILL)
        {
            tracing::warn!(%error, "a hook could not be ended");
        }
    }
}

/// The end of what is written to two pipes.
#[derive(Debug, Clone, Default)]
struct Tail(Arc<Mutex<Vec<u8>>>);

impl Tail {
    fn read(
        &self,
        mut from: impl AsyncRead + Unpin + Send + 'static,
    ) -> tokio::task::JoinHandle<()> {
        let tail = self.clone();
        tokio::spawn(async move {
            let mut bytes = [0; 1024];
            while let Ok(count @ 1..) = from.read(&mut bytes).await {
                tail.add(&bytes[..count]);
            }
        })
    }

    fn add(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(bytes);
        let over = kept.len().saturating_sub(OUTPUT_BYTES);
        kept.drain(..over);
    }

    fn text(&self) -> String {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&kept).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use holdfast_types::Span;

    use super::*;

    async fn shell(script: &str, timeout: u64) -> (Option<ExitStatus>, String) {
        let directory = tempfile::tempdir().unwrap();
        give_away(directory.path());
        let hook = hook(script, timeout);
        let variables = vec![("PATH", PATH.to_owned()), ("HOLDFAST_KEY", "k".to_owned())];
        execute(&hook, directory.path(), variables).await.unwrap()
    }

    /// Nothing runs as root, also where tests do.
    fn give_away(path: &Path) {
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(path, Some(65_534), Some(65_534)).unwrap();
        }
    }

    fn hook(script: &str, timeout: u64) -> HookConfig {
        let words = ["/bin/sh", "-c", script];
        HookConfig {
            command: words.map(str::to_owned).into(),
            timeout: Span::from_secs(timeout),
        }
    }

    #[tokio::test]
    async fn a_hook_sees_what_it_is_told_and_nothing_else() {
        let (status, output) = shell("env | cut -d= -f1 | sort | tr '\\n' ' '", 60).await;
        assert!(status.unwrap().success());
        // The shell adds its own.
        let known = ["HOLDFAST_KEY", "OLDPWD", "PATH", "PWD", "SHLVL", "_"];
        let names: Vec<&str> = output.split_whitespace().collect();
        assert!(names.contains(&"HOLDFAST_KEY"), "{output}");
        assert!(names.iter().all(|name| known.contains(name)), "{output}");
    }

    #[tokio::test]
    async fn of_what_it_writes_the_end_is_kept() {
        let script = "head -c 100000 /dev/zero | tr '\\0' x; echo; echo out; exit 3";
        let (status, output) = shell(script, 60).await;
        assert_eq!(status.unwrap().code(), Some(3));
        assert!(output.len() <= OUTPUT_BYTES, "{}", output.len());
        assert!(output.ends_with("x\nout\n"), "{output}");
        let (_, output) = shell("echo err >&2", 60).await;
        assert_eq!(output, "err\n");
        let name = "warm".parse().unwrap();
        let failure = judge(&name, &hook("", 60), status, "a\nlast\n").unwrap();
        assert_eq!(failure.code, "hook_failed");
        assert!(failure.message.contains("ended with 3"), "{failure}");
        assert!(failure.message.ends_with("last"), "{failure}");
        assert_eq!(
            judge(&name, &hook("", 60), Some(ExitStatus::default()), ""),
            None
        );
    }

    #[tokio::test]
    async fn one_that_takes_too_long_is_ended_with_all_it_started() {
        let began = Instant::now();
        // The child of the shell holds its output open.
        let (status, output) = shell("sleep 600 & echo $!; wait", 1).await;
        assert_eq!(status, None);
        let stat = format!("/proc/{}/stat", output.trim());
        // Nobody is told when a process of others is gone.
        while is_alive(&stat) {
            assert!(began.elapsed() < Duration::from_secs(60), "{stat}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn is_alive(stat: &str) -> bool {
        let found = std::fs::read_to_string(stat);
        found.is_ok_and(|text| !text.contains(") Z "))
    }
}
