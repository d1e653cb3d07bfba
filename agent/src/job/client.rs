//! One run of pg_dump, pg_dumpall or pg_restore.
//!
//! It counts only if it ended with exit code 0; whatever it said on stderr is
//! in the job's log, and the end of it in the failure. It runs in a process
//! group of its own, so that the processes which it starts for `--jobs` end
//! with it, whatever ends the job.

use std::collections::VecDeque;
use std::fs::File;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use holdfast_types::{Failure, Secret};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use super::JobContext;
use super::backup::Stopped;

/// Lines of stderr that a failure tells.
const TOLD: usize = 12;
/// Lines that go to the job's log; a job has more to say than one program.
const LOGGED: usize = 100;
/// The part of a line that is worth reading.
const LINE_BYTES: usize = 600;
/// How long a program gets to cancel its queries and to end.
const GRACE: Duration = Duration::from_secs(5);

/// What is run, for those who read of it.
#[derive(Debug, Clone)]
pub(super) struct Purpose {
    /// The program.
    pub(super) program: &'static str,
    /// With what, such as `database "shop"`.
    pub(super) about: String,
    /// The code of its failure.
    pub(super) code: &'static str,
    /// What no log may show, should it turn up in a message (I-10).
    pub(super) secret: Option<Secret>,
}

/// A program that runs.
pub(super) struct Running {
    purpose: Purpose,
    child: Child,
    group: Option<Pid>,
    said: Option<JoinHandle<VecDeque<String>>>,
}

impl Running {
    /// Starts it. What it says on stderr goes to the job's log.
    pub(super) fn start(
        mut command: Command,
        purpose: Purpose,
        cx: &JobContext,
    ) -> Result<Self, Failure> {
        command.stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().map_err(|error| {
            Failure::permanent(
                "pg_program_failed",
                format!("{} cannot be run: {error}", purpose.program),
                "check that the program is whole and may be executed",
            )
        })?;
        let group = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        let said = child.stderr.take().map(|stderr| {
            let (cx, purpose) = (cx.clone(), purpose.clone());
            tokio::spawn(listen(stderr, purpose, cx))
        });
        Ok(Self {
            purpose,
            child,
            group,
            said,
        })
    }

    /// What it writes, to be read on a thread that may wait.
    pub(super) fn stdout(&mut self) -> Result<File, Failure> {
        let stdout = self.child.stdout.take();
        let stdout = stdout.ok_or_else(|| self.unreadable("it is not there"))?;
        let descriptor = stdout.into_owned_fd();
        descriptor
            .map(File::from)
            .map_err(|error| self.unreadable(&error.to_string()))
    }

    /// What it reads, to be written on a thread that may wait.
    pub(super) fn stdin(&mut self) -> Result<File, Failure> {
        let stdin = self.child.stdin.take();
        let stdin = stdin.ok_or_else(|| self.unreadable("it is not there"))?;
        let descriptor = stdin.into_owned_fd();
        descriptor
            .map(File::from)
            .map_err(|error| self.unreadable(&error.to_string()))
    }

    fn unreadable(&self, why: &str) -> Failure {
        Failure::transient(
            "pg_program_failed",
            format!("the pipe of {} cannot be used: {why}", self.purpose.program),
            "look at the limits of the agent's process (open files)",
        )
    }

    /// Waits for its end, unless the job is to end or `spoiled` says why it
    /// must not go on: then it is ended first.
    pub(super) async fn wait(
        mut self,
        cx: &JobContext,
        spoiled: impl Future<Output = Failure>,
    ) -> Result<(), Stopped> {
        let stopped = tokio::select! {
            biased;
            () = cx.cancel().cancelled() => Stopped::Cancelled,
            ended = self.child.wait() => return self.judge(ended).await,
            failure = spoiled => Stopped::Failed(failure),
        };
        self.end().await;
        Err(stopped)
    }

    /// Ends it and waits until it has: nothing of it writes or holds locks any
    /// more.
    async fn end(&mut self) {
        self.signal(Signal::TERM);
        if tokio::time::timeout(GRACE, self.child.wait())
            .await
            .is_err()
        {
            self.signal(Signal::KILL);
            // It is dead now, so this does not wait.
            let _ = self.child.wait().await;
        }
        // Those that it started and that outlived it.
        self.signal(Signal::KILL);
        self.group = None;
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // Nobody is left in it: then there is nothing to do.
            let _ = kill_process_group(group, signal);
        }
    }

    async fn judge(&mut self, ended: std::io::Result<ExitStatus>) -> Result<(), Stopped> {
        self.group = None;
        let said = match self.said.take() {
            Some(said) => said.await.unwrap_or_default(),
            None => VecDeque::new(),
        };
        match ended {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(Stopped::Failed(self.failed(status, &said))),
            Err(error) => Err(Stopped::Failed(self.unreadable(&error.to_string()))),
        }
    }

    fn failed(&self, status: ExitStatus, said: &VecDeque<String>) -> Failure {
        let Purpose {
            program,
            about,
            code,
            ..
        } = &self.purpose;
        let told: Vec<&str> = said.iter().map(String::as_str).collect();
        let text = if told.is_empty() {
            "it said nothing".to_owned()
        } else {
            told.join("; ")
        };
        let (hint, again) = advice(&text);
        Failure {
            code: (*code).to_owned(),
            message: format!("{program} of {about} ended with {status}: {text}"),
            hint: hint.to_owned(),
            retryable: again,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The job was aborted, and nobody waits for the program. It is not killed
        // at once: it tells the server first that its queries are not wanted any
        // more, and one that waits for a lock would wait on without that.
        self.signal(Signal::TERM);
    }
}

/// What to do about what a program said, and whether it may go better by
/// itself.
fn advice(text: &str) -> (&'static str, bool) {
    let advice = [
        (
            "permission denied",
            "let the agent's role read everything (GRANT pg_read_all_data TO it) and, for large \
             objects and globals, make it a superuser; then try again",
        ),
        (
            "row-level security",
            "give the agent's role BYPASSRLS, or what it dumps would lack rows",
        ),
        (
            "server version mismatch",
            "install the client programs of the server's version and name their directory in \
             postgres.binDirs of agent.toml",
        ),
        (
            "must be owner",
            "the role that restores must own what it makes: name it as owner, or restore as a \
             superuser",
        ),
        (
            "role \"",
            "make the role first (it is in the dump's globals.sql), or name an owner for everything",
        ),
        (
            "already exists",
            "something of that name is there, perhaps from template1: restore into a new database",
        ),
    ];
    let found = advice.iter().find(|(sign, _)| text.contains(sign));
    match found {
        Some((_, hint)) => (hint, false),
        None => (
            "the message is PostgreSQL's own; the job's log and the server's log say more",
            true,
        ),
    }
}

/// Reads what a program says to its end; returns the last of it.
async fn listen(
    stderr: impl AsyncRead + Unpin,
    purpose: Purpose,
    cx: JobContext,
) -> VecDeque<String> {
    let mut lines = BufReader::new(stderr);
    let (mut last, mut count) = (VecDeque::new(), 0);
    let mut bytes = Vec::new();
    // A pipe that breaks ends what can be known.
    while let Ok(1..) = lines.read_until(b'\n', &mut bytes).await {
        let line = shown(&bytes, purpose.secret.as_ref());
        bytes.clear();
        if line.is_empty() {
            continue;
        }
        count += 1;
        if count <= LOGGED {
            cx.log(line.clone());
        }
        if count == LOGGED + 1 {
            cx.log(format!(
                "{} says more, which is left out here",
                purpose.program
            ));
        }
        if last.len() == TOLD {
            last.pop_front();
        }
        last.push_back(line);
    }
    last
}

fn shown(bytes: &[u8], secret: Option<&Secret>) -> String {
    let mut line = String::from_utf8_lossy(bytes).trim_end().to_owned();
    if let Some(secret) = secret.filter(|secret| !secret.expose().is_empty()) {
        line = line.replace(secret.expose(), "********"); // I-10
    }
    if line.len() > LINE_BYTES {
        let end = line.floor_char_boundary(LINE_BYTES);
        line.truncate(end);
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::*;

    fn context() -> JobContext {
        JobContext::new(CancellationToken::new())
    }

    fn shell(script: &str, cx: &JobContext) -> Running {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).stdout(Stdio::piped());
        let purpose = Purpose {
            program: "pg_dump",
            about: "database \"shop\"".to_owned(),
            code: "dump_failed",
            secret: Some(Secret::new("hunter2")),
        };
        Running::start(command, purpose, cx).unwrap()
    }

    #[tokio::test]
    async fn what_a_program_says_is_told_without_secrets() {
        let cx = context();
        let running = shell("echo 'permission denied for hunter2' >&2; exit 3", &cx);
        let ended = running.wait(&cx, std::future::pending()).await;
        let Err(Stopped::Failed(failure)) = ended else {
            panic!("{ended:?}");
        };
        assert_eq!(
            (failure.code.as_str(), failure.retryable),
            ("dump_failed", false)
        );
        assert!(failure.message.contains("exit status: 3"), "{failure}");
        assert!(failure.hint.contains("pg_read_all_data"), "{failure}");
        let told = format!("{failure} {:?}", cx.state().log);
        assert!(
            told.contains("permission denied for ****") && !told.contains("hunter2"),
            "{told}"
        );
    }

    #[tokio::test]
    async fn what_a_program_started_ends_with_it() {
        let cx = context();
        let mut running = shell("trap '' TERM; sleep 600 & echo $!; wait; sleep 600", &cx);
        let mut out = std::io::BufReader::new(running.stdout().unwrap());
        let mut line = String::new();
        std::io::BufRead::read_line(&mut out, &mut line).unwrap();
        let child = Pid::from_raw(line.trim().parse().unwrap()).unwrap();
        assert!(rustix::process::test_kill_process(child).is_ok());
        cx.cancel().cancel();
        let ended = running.wait(&cx, std::future::pending()).await;
        assert!(matches!(ended, Err(Stopped::Cancelled)), "{ended:?}");
        // It is nobody's child any more; whoever reaps it takes a moment.
        for _ in 0..200 {
            if !alive(child) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("a process of the group still runs");
    }

    /// Not gone, and no zombie that nobody has reaped.
    fn alive(pid: Pid) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
        stat.is_ok_and(|stat| !stat.contains(") Z "))
    }

    #[tokio::test]
    async fn a_reason_against_it_ends_it() {
        let cx = context();
        let running = shell("sleep 600", &cx);
        let full = Failure::transient("not_enough_space", "full", "free some");
        let ended = running.wait(&cx, std::future::ready(full)).await;
        assert!(
            matches!(ended, Err(Stopped::Failed(failure)) if failure.code == "not_enough_space")
        );
    }
}
