//! A drill of a dump: each of its databases is restored into a new server, by the code
//! that restores dumps.

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use holdfast_pg::binaries::{Programs, RunAs};
use holdfast_pg::instance::StartOptions;
use holdfast_proto::{DrillWork, DumpRestoreWork, InstanceAccess};
use holdfast_repo::{BackupReader, DumpManifest};
use holdfast_types::drill::DumpToDrill;
use holdfast_types::{DumpRestoreRequest, Failure, JobPhase};

use super::findings::Findings;
use super::lair::Lair;
use super::server::Server;
use crate::host::Host;
use crate::job::JobContext;
use crate::job::backup::{Stopped, or_cancelled, thread_died};
use crate::job::dump::{extract_all, manifest_of, quoted, quoted_text};
use crate::job::{restore, restore_dump};

/// The superuser of the new server; a role of the dump that has its name keeps it.
const SUPERUSER: &str = "postgres";
/// How long a new server may take to start.
const START_TIMEOUT: Duration = Duration::from_secs(300);
/// Processes that restore one database.
const JOBS_MAX: usize = 4;
/// Beside the rows there are indexes and WAL: an archive is compressed.
const TIMES_ARCHIVE: u64 = 6;
const SLACK: u64 = 512 << 20;

pub(super) async fn run(
    work: &DrillWork,
    cx: &JobContext,
    (host, lair): (&Host, &Lair),
    findings: &mut Findings,
) -> Result<Server, Stopped> {
    let dump = work.order.dump.expect("the kind follows from it");
    let (reader, manifest) = or_cancelled(cx, open(work, dump, host)).await?;
    let bytes: u64 = manifest.databases.iter().map(|one| one.bytes).sum();
    findings.evidence.server_version = Some(manifest.server_version);
    findings.evidence.database_bytes = Some(bytes);
    lair.check_room(bytes.saturating_mul(TIMES_ARCHIVE).saturating_add(SLACK))?;
    cx.enter(JobPhase::Start);
    let server = or_cancelled(cx, start(&manifest, cx, (host, lair))).await?;
    if let Some(globals) = &manifest.globals {
        let wanted = globals.path.clone();
        let place = lair.make_place("g")?;
        extract_all(&reader, &place, move |path| path == Path::new(&wanted), cx).await?;
        let text = std::fs::read_to_string(place.join(&globals.path)).unwrap_or_default();
        or_cancelled(cx, restore_globals(&server, lair, &text, cx)).await?;
    }
    for database in &manifest.databases {
        let work = restore_of(
            work,
            dump,
            (&server, &database.name),
            manifest.globals.is_some(),
        );
        restore_dump::attempt(&work, cx, host, restore_dump::Leftover::GoesWithServer).await?;
    }
    if let Some(at) = manifest.consistent_at() {
        findings.reached(at);
        findings.evidence.last_commit_at = Some(at);
    }
    Ok(server)
}

async fn open(
    work: &DrillWork,
    dump: DumpToDrill,
    host: &Host,
) -> Result<(BackupReader, DumpManifest), Stopped> {
    let repository = host.existing_repository(&work.repository).await?;
    let lineage = repository
        .lineage(&work.order.cluster, dump.lineage)
        .await?;
    let backup = lineage.find_backup(dump.backup).await?;
    Ok(manifest_of(&lineage, backup).await?)
}

/// A new server of the release that the dump asks for, or the next later one: what
/// wrote it is not newer than what reads it.
async fn start(
    manifest: &DumpManifest,
    cx: &JobContext,
    (host, lair): (&Host, &Lair),
) -> Result<Server, Stopped> {
    let written_by = manifest.client_version.split('.').next();
    let written_by: u32 = written_by.and_then(|major| major.parse().ok()).unwrap_or(0);
    let least = written_by.max(manifest.server_version / 10_000);
    let bin_dirs = host.config().postgres.bin_dirs.clone();
    let found = tokio::task::spawn_blocking(move || Programs::all(&bin_dirs)).await;
    let found = found.map_err(|error| thread_died(&error))?;
    let fits = found.into_iter().filter(|one| one.major() >= least);
    let programs = fits.min_by_key(Programs::major).ok_or_else(|| {
        Failure::permanent(
            "postgres_programs_missing",
            format!("no programs of PostgreSQL {least} or later found on this host"),
            format!(
                "install PostgreSQL {least}, or name its directory in postgres.binDirs of agent.toml"
            ),
        )
    })?;
    let (dir, sockets) = (lair.make_place("d")?, lair.make_place("s")?);
    let user = RunAs::owner_of(&dir)
        .map_err(|error| Failure::permanent(error.code(), error.to_string(), error.hint()))?;
    init(&programs, user, &dir).await?;
    let port = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    let port = port.map_err(|error| no_port(&error))?.port();
    cx.log(format!("a new server of PostgreSQL {}", programs.version()));
    let server = Server {
        programs,
        dir,
        sockets,
        port,
        superuser: SUPERUSER.to_owned(),
    };
    let options = StartOptions {
        log: server.sockets.join("server.log"),
        settings: settings(&server),
        timeout: START_TIMEOUT,
    };
    let started = server.instance().start(&options).await;
    started.map_err(|error| {
        Stopped::Failed(Failure::permanent(
            "postgres_did_not_start",
            format!(
                "a new server did not start in {}: {error}",
                server.dir.display()
            ),
            error.hint(),
        ))
    })?;
    Ok(server)
}

fn settings(server: &Server) -> Vec<(String, String)> {
    let version = server.programs.major() * 10_000;
    let mut settings: Vec<(String, String)> = restore::settings_for(version).into_iter().collect();
    for (name, value) in [
        ("port", server.port.to_string()),
        (
            "unix_socket_directories",
            server.sockets.display().to_string(),
        ),
        ("archive_mode", "off".to_owned()),
        ("wal_level", "minimal".to_owned()),
        ("max_wal_senders", "0".to_owned()),
    ] {
        settings.push((name.to_owned(), value));
    }
    settings
}

async fn init(programs: &Programs, user: RunAs, dir: &Path) -> Result<(), Failure> {
    let mut command = programs.command("initdb", user);
    command.args([
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C",
        "--data-checksums",
    ]);
    command.arg(format!("--username={SUPERUSER}"));
    command
        .arg("--pgdata")
        .arg(dir)
        .stdout(Stdio::null())
        .kill_on_drop(true);
    let failed = |said: String| {
        Failure::permanent(
            "pg_program_failed",
            format!("initdb could not make {}: {said}", dir.display()),
            "check the volume of the agent's data directory, and PostgreSQL's programs",
        )
    };
    let output = command
        .output()
        .await
        .map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(failed(
        String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    ))
}

fn no_port(error: &std::io::Error) -> Failure {
    Failure::transient(
        "no_free_port",
        format!("no free port was found: {error}"),
        "look at the ports that are in use on the agent's host",
    )
}

/// The roles, with what they are granted, and the tablespaces, each in a place of its
/// own: where they were, another server may have its data (I-12). Nothing else of the
/// globals is executed. What a role cannot be given here, it does without.
async fn restore_globals(
    server: &Server,
    lair: &Lair,
    text: &str,
    cx: &JobContext,
) -> Result<(), Stopped> {
    let session = server.any_session().await?;
    let mut places = 0;
    for line in text.lines() {
        let statement = match tablespace_of(line) {
            Some(name) => {
                places += 1;
                let place = lair.make_place(&format!("t{places}"))?;
                let place = quoted_text(&place.display().to_string());
                format!("CREATE TABLESPACE {} LOCATION {place}", quoted(&name))
            }
            None if is_of_role(line) => line.to_owned(),
            None => continue,
        };
        if let Err(error) = session.execute(&statement).await {
            // It may hold a password: its words are not told (I-10).
            let words: Vec<&str> = statement.split_whitespace().take(2).collect();
            tracing::debug!(?error, "a statement of the globals was refused");
            cx.log(format!(
                "a {} of the dump's globals is left out",
                words.join(" ")
            ));
        }
    }
    Ok(())
}

/// Whether pg_dumpall wrote this about a role.
fn is_of_role(line: &str) -> bool {
    let of_role = ["CREATE ROLE ", "ALTER ROLE ", "GRANT "];
    // The server's own superuser is there, and stays what it is.
    let own = [
        format!("CREATE ROLE {SUPERUSER};"),
        format!("ALTER ROLE {SUPERUSER} "),
    ];
    line.ends_with(';')
        && of_role.iter().any(|words| line.starts_with(words))
        && !own.iter().any(|words| line.starts_with(words.as_str()))
}

/// The name of the tablespace that a line makes.
fn tablespace_of(line: &str) -> Option<String> {
    let rest = line.strip_prefix("CREATE TABLESPACE ")?;
    match rest.strip_prefix('"') {
        None => rest.split_whitespace().next().map(str::to_owned),
        Some(inner) => {
            let mut name = String::new();
            let mut chars = inner.chars().peekable();
            while let Some(c) = chars.next() {
                if c == '"' {
                    if chars.peek() != Some(&'"') {
                        return Some(name);
                    }
                    chars.next();
                }
                name.push(c);
            }
            None
        }
    }
}

fn restore_of(
    work: &DrillWork,
    dump: DumpToDrill,
    (server, database): (&Server, &str),
    has_roles: bool,
) -> DumpRestoreWork {
    let jobs = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(JOBS_MAX);
    DumpRestoreWork {
        job: work.job,
        repository: work.repository.clone(),
        backup: dump.backup,
        lineage: dump.lineage,
        instance: InstanceAccess {
            connection: server.conninfo(&server.superuser, "postgres"),
            password: None,
            data_directory: None,
            system_identifier: None,
        },
        request: DumpRestoreRequest {
            cluster: work.order.cluster.clone(),
            backup: Some(dump.backup),
            database: database.to_owned(),
            into: database.to_owned(),
            to_cluster: None,
            jobs: u32::try_from(jobs).unwrap_or(1),
            // Without its roles everything belongs to whom there is.
            owner: (!has_roles).then(|| server.superuser.clone()),
            no_privileges: !has_roles,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_globals_only_roles_are_executed() {
        for line in [
            "CREATE ROLE app;",
            "ALTER ROLE app WITH NOSUPERUSER LOGIN;",
            "GRANT readers TO app;",
        ] {
            assert!(is_of_role(line), "{line}");
        }
        for line in [
            "CREATE ROLE postgres;",
            "ALTER ROLE postgres WITH SUPERUSER;",
            "CREATE TABLESPACE fast OWNER app LOCATION '/t/fast';",
            "ALTER SYSTEM SET archive_mode = on;",
            "\\connect shop",
            "CREATE ROLE broken",
        ] {
            assert!(!is_of_role(line), "{line}");
        }
    }

    /// I-12: the place of the original is never used.
    #[test]
    fn a_tablespace_is_known_by_its_name() {
        let of = |line: &str| tablespace_of(line);
        let named = |name: &str| Some(name.to_owned());
        assert_eq!(
            of("CREATE TABLESPACE fast OWNER app LOCATION '/t';"),
            named("fast")
        );
        assert_eq!(
            of(r#"CREATE TABLESPACE "my ""own"" place" OWNER app LOCATION '/t';"#),
            named(r#"my "own" place"#)
        );
        assert_eq!(of("GRANT CREATE ON TABLESPACE fast TO app;"), None);
    }
}
