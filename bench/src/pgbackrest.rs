//! pgBackRest, the peer of backups, restores and pushed WAL.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use holdfast_pg::testkit::{TestCluster, give_to_server_user};

/// A stanza with a repository of its own, for the cluster `orders`.
#[derive(Debug)]
pub struct PgBackRest {
    root: PathBuf,
    data: PathBuf,
    command: String,
}

impl PgBackRest {
    /// Makes the stanza below `root`, with `settings` besides what any needs.
    pub fn prepare(root: &Path, server: &TestCluster, settings: &str) -> Result<Self> {
        let text = format!(
            "[global]\nrepo1-path={root}/repository\nlog-path={root}\nlock-path={root}\n\
             spool-path={root}/spool\nlog-level-file=off\nlog-level-console=error\n\
             {settings}\n\
             [orders]\npg1-path={data}\npg1-port={port}\npg1-socket-path={socket}\n\
             pg1-user=postgres\n",
            root = root.display(),
            data = server.data_dir().display(),
            port = server.port(),
            socket = server.socket_dir().display(),
        );
        let file = root.join("pgbackrest.conf");
        fs::write(&file, text)?;
        for folder in ["repository", "spool"] {
            fs::create_dir_all(root.join(folder))?;
            give_to_server_user(&root.join(folder));
        }
        give_to_server_user(&file);
        let made = Self {
            root: root.to_owned(),
            data: server.data_dir(),
            command: format!("pgbackrest --config={} --stanza=orders", file.display()),
        };
        made.run("stanza-create")?;
        Ok(made)
    }

    /// The command line that does `what`.
    pub fn command(&self, what: &str) -> String {
        format!("{} {what}", self.command)
    }

    /// Does `what`.
    pub fn run(&self, what: &str) -> Result<()> {
        run_as_server(&self.data, &self.command(what))
    }

    /// The folder of its backups.
    pub fn backups(&self) -> PathBuf {
        self.root.join("repository/backup/orders")
    }
}

/// A shell of the user whose data directory this is, in it.
pub fn as_server(data: &Path, command: &str) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", command]).current_dir(data);
    shell.stdout(Stdio::piped()).stderr(Stdio::piped());
    if rustix::process::geteuid().is_root()
        && let Ok(owner) = fs::metadata(data)
    {
        shell.uid(owner.uid()).gid(owner.gid());
    }
    shell
}

/// Runs it to its end, which must be a good one.
pub fn run_as_server(data: &Path, command: &str) -> Result<()> {
    let output = as_server(data, command).output()?;
    ensure!(
        output.status.success(),
        "{command}: {} {}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// Which release is installed.
pub fn version() -> Result<String> {
    let output = Command::new("pgbackrest").arg("version").output();
    let output = output.context("pgbackrest is installed")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
