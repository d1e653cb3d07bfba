//! What the demo starts, and how it is ended.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use holdfast_pg::binaries::Programs;
use holdfast_pg::testkit::must_run;
use holdfast_tests::agent::Agent;
use holdfast_tests::group::Group;
use holdfast_tests::until::until;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use super::place::Place;
use super::story::Postgres;

/// Everything that runs at the end of the demo.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) group: Group,
    pub(crate) agent: Agent,
    pub(crate) postgres: Vec<Postgres>,
}

impl Running {
    /// Ends all of it.
    pub(crate) fn end(mut self) {
        self.agent.process().stop();
        for index in 0..self.group.nodes().len() {
            self.group.node_mut(index).process().stop();
        }
    }

    /// Lets all of it run on, and says where it is.
    pub(crate) fn leave(self, place: &Place) -> Result<()> {
        println!("\nStill running, until `make demo-stop`:");
        for node in self.group.nodes() {
            println!("  REST     {}", node.rest());
        }
        let password = self.group.node(0).admin_password();
        println!("  login    admin, password {password}");
        for server in &self.postgres {
            println!("  {:<8} port {}", server.name(), server.port());
        }
        let mut lines = String::new();
        for server in self.postgres {
            lines.push_str(&format!("postgres {}\n", server.leave().display()));
        }
        lines.push_str(&format!("process {}\n", self.agent.leave()));
        for node in self.group.into_nodes() {
            lines.push_str(&format!("process {}\n", node.leave()));
        }
        fs::write(place.path().join("running"), lines).context("write .demo/running")
    }
}

/// Ends what an earlier demo wrote down as running.
pub(crate) fn end_left_over(folder: &Path) -> Result<()> {
    let list = folder.join("running");
    let Ok(lines) = fs::read_to_string(&list) else {
        return Ok(());
    };
    for line in lines.lines() {
        match line.split_once(' ') {
            Some(("postgres", data)) => stop_postgres(Path::new(data)),
            Some(("process", id)) => stop_process(id),
            _ => {}
        }
    }
    fs::remove_file(&list).context("remove .demo/running")?;
    println!("the demo's processes have ended");
    Ok(())
}

fn stop_postgres(data: &Path) {
    if !data.join("postmaster.pid").exists() {
        return;
    }
    let programs: Programs = holdfast_pg::testkit::major(15);
    let run_as = holdfast_pg::binaries::RunAs::owner_of(data).expect("the folder has an owner");
    let mut stop = programs.blocking_command("pg_ctl", run_as);
    must_run(stop.args(["stop", "-w", "-m", "fast", "-D"]).arg(data));
}

/// Ends a process, if that id is still one of ours: ids are used again.
fn stop_process(id: &str) {
    let Some(pid) = id.parse().ok().and_then(Pid::from_raw) else {
        return;
    };
    let program = fs::read_link(format!("/proc/{id}/exe")).unwrap_or_default();
    if !program
        .file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with("holdfast"))
    {
        return;
    }
    if kill_process(pid, Signal::TERM).is_err() {
        return;
    }
    until("a process to end", Duration::from_secs(15), || {
        test_kill_process(pid).is_err().then_some(())
    });
}
