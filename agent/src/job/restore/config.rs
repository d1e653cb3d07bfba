//! The configuration of the new directory: a startable set, whatever layout
//! the original had, and how recovery finds its WAL and its end.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use holdfast_pg::control_file::{ControlFile, RequiredSettings};
use holdfast_proto::RestoreWork;
use holdfast_types::{Failure, RestoreTarget, TargetAction};

use super::command::Asker;
use super::copy::{Copied, waiting_control_file};
use super::prepare::{Ready, cannot_write};
use super::settings::{self, Ending, Settings};
use super::{Stopped, directory, isolate};
use crate::file::write_atomically;
use crate::job::JobContext;
use crate::job::backup::{fact, thread_died};
use crate::job::conf::{self, Files};
use crate::wal::FetchConfig;

/// What later phases know of the configuration.
#[derive(Debug, Clone)]
pub(super) struct Config {
    settings: Settings,
    /// What the original's `postgresql.auto.conf` said.
    base: Vec<u8>,
    pub(super) port: Option<u16>,
    pub(super) superuser: String,
    pub(super) ending: Ending,
}

/// For a copy whose original had none that we know of.
const DEFAULT_HBA: &str = "# The backup holds no pg_hba.conf.\nlocal all all peer\n\
                           host all all 127.0.0.1/32 scram-sha-256\n\
                           host all all ::1/128 scram-sha-256\n";

pub(super) async fn run(
    work: &RestoreWork,
    cx: &JobContext,
    ready: &Ready,
    copied: &mut Copied,
) -> Result<Config, Stopped> {
    let outside = std::mem::take(&mut copied.outside);
    let superuser = ready.backup.facts.get(fact::SUPERUSER).cloned();
    let ending = ending(work);
    let port = match (work.request.port, work.request.start) {
        (None, true) => Some(directory::free_port().map_err(|error| no_port(&error))?),
        (port, _) => port,
    };
    let mut settings = Settings::new(
        ready.plan.server_version,
        &restore_command(ready)?,
        &timeline(work, ready),
    );
    settings.end_with(ending);
    if let Some(port) = port {
        settings.lasting("port", &port.to_string());
    }
    if work.request.start {
        settings.lasting(
            "unix_socket_directories",
            path_text(&directory::ours(&ready.dir))?,
        );
    }
    settings.ask(&work.request.set);
    let config = Config {
        settings,
        base: Vec::new(),
        port,
        superuser: superuser.unwrap_or_else(|| "postgres".to_owned()),
        ending,
    };
    let mut writer = Writer {
        dir: ready.dir.clone(),
        owner: ready.owner,
        facts: ready.backup.facts.clone(),
        outside,
        asker: Asker::new(ready),
        fetch: FetchConfig {
            replay_to: match ending {
                Ending::Standby => None,
                Ending::At { .. } => Some(ready.plan.wal.to_lsn),
            },
            ..FetchConfig::new(
                &ready.access,
                ready.plan.cluster.clone(),
                ready.plan.lineage,
            )
        },
        cx: cx.clone(),
        start: work.request.start,
        isolated: ready.isolated,
        config,
    };
    let written = tokio::task::spawn_blocking(move || writer.write().map(|()| writer.config)).await;
    Ok(written.map_err(|error| thread_died(&error))??)
}

/// A standby follows its cluster wherever it goes; all others stay where the plan is.
fn timeline(work: &RestoreWork, ready: &Ready) -> String {
    match work.request.action {
        TargetAction::Standby => "latest".to_owned(),
        TargetAction::Promote | TargetAction::Pause => ready.plan.timeline.to_string(),
    }
}

/// `latest` runs as a standby when we start it, or when it is to be one. Every other target, and every
/// copy that somebody else starts, ends at one position or fails (I-12).
fn ending(work: &RestoreWork) -> Ending {
    let is_latest = work.plan.at == RestoreTarget::Latest;
    if is_latest && (work.request.start || work.request.action == TargetAction::Standby) {
        return Ending::Standby;
    }
    // What we start, we check before it is promoted.
    let action = if work.request.start {
        TargetAction::Pause
    } else {
        work.request.action
    };
    Ending::At {
        last_record: work.plan.wal.last_record_lsn,
        action,
    }
}

/// What PostgreSQL runs for each file of WAL. It needs neither an agent nor a
/// control plane (I-09).
fn restore_command(ready: &Ready) -> Result<String, Failure> {
    let program = shell_word(path_text(&ready.executable)?);
    // PostgreSQL runs it in the data directory, which may be moved before it starts.
    let config = shell_word(path_text(&FetchConfig::path_in(Path::new("")))?);
    // PostgreSQL replaces %f and %p; a % of ours must be two.
    let (program, config) = (program.replace('%', "%%"), config.replace('%', "%%"));
    Ok(format!(
        "{program} wal-fetch \"%f\" \"%p\" --config {config}"
    ))
}

fn shell_word(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn path_text(path: &Path) -> Result<&str, Failure> {
    path.to_str()
        .filter(|text| !text.contains(['\n', ',']))
        .ok_or_else(|| {
            Failure::permanent(
                "path_not_text",
                format!(
                    "{} cannot be written into a configuration file",
                    path.display()
                ),
                "use a path without commas, line breaks and bytes that are not UTF-8",
            )
        })
}

fn no_port(error: &io::Error) -> Failure {
    Failure::transient(
        "no_free_port",
        format!("no free port was found: {error}"),
        "give one with --port",
    )
}

/// Writes the files, on a thread that may wait.
struct Writer {
    dir: PathBuf,
    owner: (u32, u32),
    facts: std::collections::BTreeMap<String, String>,
    outside: Files,
    asker: Asker,
    fetch: FetchConfig,
    cx: JobContext,
    start: bool,
    isolated: bool,
    config: Config,
}

impl Writer {
    fn write(&mut self) -> Result<(), Failure> {
        self.write_base()?;
        self.config.base = self.read("postgresql.auto.conf")?.unwrap_or_default();
        let fetch = FetchConfig::path_in(&self.dir);
        self.fetch
            .write(&fetch)
            .map_err(|error| cannot_write(&fetch, &error))?;
        self.give(&fetch)?;
        self.config.write(&self.dir, true)?;
        self.give(&self.dir.join("postgresql.auto.conf"))?;
        self.adjust()?;
        if has_in_place(&self.dir) {
            // PostgreSQL refuses to recover with them unless it is told to.
            let (name, value) = ("allow_in_place_tablespaces", "on");
            self.config.settings.recovery(name, value);
            self.config.write(&self.dir, true)?;
            self.give(&self.dir.join("postgresql.auto.conf"))?;
        }
        let signal = match self.config.ending {
            Ending::Standby => "standby.signal",
            Ending::At { .. } => "recovery.signal",
        };
        self.put(Path::new(signal), b"")?;
        if self.start {
            // Until the target is reached, only we come in, by a socket in a
            // directory that only its owner can enter.
            self.put(
                &Path::new(directory::OURS).join("pg_hba.conf"),
                b"local all all trust\n",
            )?;
        }
        Ok(())
    }

    /// The files that people edit.
    fn write_base(&self) -> Result<(), Failure> {
        let captured = |name: &str| {
            let origin = self.facts.get(name)?;
            let origin = Path::new(origin);
            self.outside
                .contains_key(origin)
                .then(|| conf::flatten(origin, &self.outside))
        };
        let main = match captured(fact::CONFIG_FILE) {
            Some(flat) => Some(flat),
            None => self.read("postgresql.conf")?,
        };
        let main = main.unwrap_or_else(|| {
            self.cx
                .log("warning: the backup holds no postgresql.conf; PostgreSQL's defaults apply");
            b"# The backup holds no postgresql.conf.\n".to_vec()
        });
        self.put(
            Path::new("postgresql.conf"),
            &conf::without(&main, settings::is_place),
        )?;
        let hba = match captured(fact::HBA_FILE) {
            Some(flat) => Some(flat),
            None => self.read("pg_hba.conf")?,
        };
        self.put(
            Path::new("pg_hba.conf"),
            &hba.unwrap_or_else(|| DEFAULT_HBA.into()),
        )?;
        let ident = match captured(fact::IDENT_FILE) {
            Some(flat) => Some(flat),
            None => self.read("pg_ident.conf")?,
        };
        self.put(Path::new("pg_ident.conf"), &ident.unwrap_or_default())
    }

    /// Asks PostgreSQL what its files now amount to, and corrects what cannot
    /// work in this place.
    fn adjust(&mut self) -> Result<(), Failure> {
        let control = waiting_control_file(&self.dir);
        let bytes = fs::read(&control).map_err(|error| cannot_write(&control, &error))?;
        let control = ControlFile::parse(&bytes).map_err(|error| {
            Failure::permanent(
                "control_file_invalid",
                format!("the restored pg_control is not valid: {error}"),
                "the backup was made so; restore from another backup",
            )
        })?;
        let required = required(&control.required);
        let mut corrected = Vec::new();
        let values = self.asker.ask_all(required.map(|(name, _)| name))?;
        let places = ["unix_socket_directories", "ssl", "log_directory"];
        let [sockets, ssl, logs] = self.asker.ask_all(places)?;
        for ((name, least), value) in required.into_iter().zip(values) {
            if value.parse::<u32>().is_ok_and(|value| value < least) {
                corrected.push((name, least.to_string(), format!("the original had {least}")));
            }
        }
        if !self.start {
            let usable = |place: &str| self.is_usable(Path::new(place.trim()));
            if !sockets.is_empty() && !sockets.split(',').all(usable) {
                // From the data directory, which may be moved before it starts.
                let ours = directory::OURS.to_owned();
                corrected.push((
                    "unix_socket_directories",
                    ours,
                    format!("{sockets} cannot be used on this host"),
                ));
            }
        }
        if ssl == "on" {
            for name in ["ssl_cert_file", "ssl_key_file"] {
                let file = self.asker.ask(name)?;
                if !self.dir.join(&file).is_file() {
                    corrected.push(("ssl", "off".to_owned(), format!("{file} is not here")));
                    break;
                }
            }
        }
        if Path::new(&logs).is_absolute() {
            corrected.push((
                "log_directory",
                "log".to_owned(),
                format!("{logs} is the original's"),
            ));
        }
        if self.isolated {
            corrected.extend(isolate::preloaded(&self.asker)?);
        }
        if corrected.is_empty() {
            return Ok(());
        }
        for (name, value, why) in corrected {
            self.cx.log(format!("{name} = {value}, because {why}"));
            self.config.settings.lasting(name, &value);
        }
        self.config.write(&self.dir, true)
    }

    /// Whether the owner of the directory can make a socket there.
    fn is_usable(&self, place: &Path) -> bool {
        use std::os::unix::fs::MetadataExt;
        let Ok(meta) = fs::metadata(place) else {
            return place.starts_with("@");
        };
        let mode = meta.mode();
        meta.is_dir()
            && (mode & 0o002 != 0
                || (meta.uid() == self.owner.0 && mode & 0o200 != 0)
                || (meta.gid() == self.owner.1 && mode & 0o020 != 0))
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        let path = self.dir.join(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(cannot_write(&path, &error)),
        }
    }

    fn put(&self, name: &Path, bytes: &[u8]) -> Result<(), Failure> {
        let path = self.dir.join(name);
        let written = fs::write(&path, bytes)
            .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(0o600)));
        written.map_err(|error| cannot_write(&path, &error))?;
        self.give(&path)
    }

    fn give(&self, path: &Path) -> Result<(), Failure> {
        directory::give(path, self.owner).map_err(|error| cannot_write(path, &error))
    }
}

/// Whether there are tablespaces in the data directory itself.
fn has_in_place(dir: &Path) -> bool {
    let Ok(entries) = fs::read_dir(dir.join("pg_tblspc")) else {
        return false;
    };
    entries
        .flatten()
        .any(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
}

impl Config {
    /// Writes `postgresql.auto.conf`.
    pub(super) fn write(&self, dir: &Path, in_recovery: bool) -> Result<(), Failure> {
        let path = dir.join("postgresql.auto.conf");
        let text = self.settings.render(&self.base, in_recovery);
        write_atomically(&path, &text, 0o600).map_err(|error| cannot_write(&path, &error))
    }
}

/// What a server in recovery must not undercut, or it does not start.
fn required(required: &RequiredSettings) -> [(&'static str, u32); 5] {
    [
        ("max_connections", required.max_connections),
        ("max_worker_processes", required.max_worker_processes),
        ("max_wal_senders", required.max_wal_senders),
        (
            "max_prepared_transactions",
            required.max_prepared_transactions,
        ),
        (
            "max_locks_per_transaction",
            required.max_locks_per_transaction,
        ),
    ]
}
