//! Waiting for a job, with a progress bar where somebody watches.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::cli::Wait;
use crate::client::Client;
use crate::failure::{Exit, Failure};
use crate::output::{self, Format};

/// How often a running job is looked at.
const EVERY: Duration = Duration::from_millis(300);

/// Prints `{job}`, or waits for the job and prints how it ended.
pub(crate) async fn follow(
    client: &mut Client,
    format: Format,
    started: &Value,
    wait: Wait,
) -> Result<ExitCode, Failure> {
    match ended(client, format, started, wait).await? {
        Some(ended) => print(format, &ended),
        None => Ok(ExitCode::SUCCESS),
    }
}

/// Prints `{job}`, or waits for the job and answers how it ended.
pub(crate) async fn ended(
    client: &mut Client,
    format: Format,
    started: &Value,
    wait: Wait,
) -> Result<Option<Value>, Failure> {
    let job = started["job"].as_str().unwrap_or_default();
    if wait.wait {
        return Ok(Some(until_ended(client, job, wait).await?));
    }
    match format {
        Format::Table => println!("{job}"),
        Format::Json | Format::Yaml => output::value(format, &json!({ "job": job }))?,
    }
    Ok(None)
}

/// Prints how a job ended.
pub(crate) fn print(format: Format, ended: &Value) -> Result<ExitCode, Failure> {
    let job = ended["id"].as_str().unwrap_or_default();
    let state = ended["state"].as_str().unwrap_or_default();
    let mut result = json!({ "job": job, "state": state });
    for field in ["backup", "result", "error"] {
        if !ended[field].is_null() {
            result[field] = ended[field].clone();
        }
    }
    output::value(format, &result)?;
    if state == "succeeded" {
        return Ok(ExitCode::SUCCESS);
    }
    if format == Format::Table {
        eprintln!("hint: `holdfast job logs {job}` shows what it did");
    }
    Ok(ExitCode::from(Exit::Failed as u8))
}

/// Polls the job until it has ended. A node that goes away does not end the
/// wait: the job goes on, and another node or the same one will answer.
async fn until_ended(client: &mut Client, job: &str, wait: Wait) -> Result<Value, Failure> {
    let deadline = wait.timeout.map(|timeout| Instant::now() + timeout.get());
    let mut screen = Screen::new(job);
    let mut unreachable_since: Option<Instant> = None;
    loop {
        match client.get(&format!("jobs/{job}"), &[]).await {
            Ok(body) => {
                unreachable_since = None;
                let state = body["state"].as_str().unwrap_or_default();
                if ["succeeded", "failed", "cancelled", "superseded"].contains(&state) {
                    screen.end();
                    return Ok(body);
                }
                screen.show(&body);
            }
            Err(failure) if passes(&failure) => {
                let since = *unreachable_since.get_or_insert_with(Instant::now);
                if since.elapsed() > Duration::from_secs(120) {
                    return Err(failure);
                }
                screen.note(&failure.message);
            }
            Err(failure) => return Err(failure),
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            let message = format!("{job} has not ended in time; it goes on");
            let hint = format!("`holdfast job show {job}` shows it, `job cancel` ends it");
            return Err(Failure::new(Exit::Failed, "wait_timed_out", message, hint));
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Polls a restore until it has ended, after its job has.
pub(crate) async fn until_restored(
    client: &mut Client,
    path: &str,
    wait: Wait,
) -> Result<Value, Failure> {
    let deadline = wait.timeout.map(|timeout| Instant::now() + timeout.get());
    let mut unreachable_since: Option<Instant> = None;
    loop {
        match client.get(path, &[]).await {
            Ok(body) => {
                unreachable_since = None;
                let state = body["state"].as_str().unwrap_or_default();
                if ["done", "failed", "cancelled", "expired", "rejected"].contains(&state) {
                    return Ok(body);
                }
            }
            Err(failure) if passes(&failure) => {
                let since = *unreachable_since.get_or_insert_with(Instant::now);
                if since.elapsed() > Duration::from_secs(120) {
                    return Err(failure);
                }
            }
            Err(failure) => return Err(failure),
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            let message = format!("{path} has not ended in time; it goes on");
            let hint = "`holdfast restore show` shows it";
            return Err(Failure::new(Exit::Failed, "wait_timed_out", message, hint));
        }
        tokio::time::sleep(EVERY).await;
    }
}

fn passes(failure: &Failure) -> bool {
    ["server_unreachable", "no_quorum", "not_ready"].contains(&failure.code.as_str())
}

/// A bar on a terminal, a line for each change elsewhere.
struct Screen {
    bar: Option<ProgressBar>,
    last: String,
}

impl Screen {
    fn new(job: &str) -> Self {
        let watched = std::io::stderr().is_terminal();
        let bar = watched.then(|| {
            let template =
                "{prefix} {msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} eta {eta}";
            let style = ProgressStyle::with_template(template);
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(0)
                .with_style(style)
                .with_prefix(job.to_owned())
        });
        Self {
            bar,
            last: String::new(),
        }
    }

    fn show(&mut self, job: &Value) {
        let progress = &job["progress"];
        let phase = progress["phase"]
            .as_str()
            .or(job["phase"].as_str())
            .unwrap_or_default();
        let waiting = job["waitingFor"].as_str().unwrap_or_default();
        let text = [job["state"].as_str().unwrap_or_default(), phase, waiting].join(" ");
        let text = text.trim_end().to_owned();
        if let Some(bar) = &self.bar {
            bar.set_length(progress["bytesTotal"].as_u64().unwrap_or_default());
            bar.set_position(progress["bytesDone"].as_u64().unwrap_or_default());
            bar.set_message(text);
        } else {
            self.note(&text);
        }
    }

    fn note(&mut self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(text.to_owned());
        } else if self.last != text {
            eprintln!("{text}");
            text.clone_into(&mut self.last);
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
