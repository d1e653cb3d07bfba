//! `repo restore --format tar` of what is more than one directory: clusters with
//! tablespaces, and dumps.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use holdfast_agent::job::backup;
use holdfast_pg::testkit;
use holdfast_proto::BackupWork;
use holdfast_types::{BackupKind, DumpFormat, DumpOptions};
use serde_json::Value;

use crate::fixture::{Fixture, connect, context, succeeded};
use crate::oracle::promoted;

/// The program, told where the fixture's repository is, for archives.
fn restore(fixture: &Fixture, at: &str, dir: &Path, more: &[&str]) -> Output {
    let more = [&["--format", "tar"], more].concat();
    restore_as(fixture, at, dir, &more)
}

fn restore_as(fixture: &Fixture, at: &str, dir: &Path, more: &[&str]) -> Output {
    command(fixture, at, dir).args(more).output().unwrap()
}

/// `repo restore` of the fixture's cluster.
pub(crate) fn command(fixture: &Fixture, at: &str, dir: &Path) -> Command {
    let key = fixture.cluster.root().join("archives.key");
    std::fs::write(&key, format!("{}\n", fixture.access.key.expose())).unwrap();
    let program = testkit::reachable(Path::new(env!("CARGO_BIN_EXE_holdfast-agent")));
    let mut command = Command::new(program);
    command.args(["repo", "restore", "-o", "json", "--cluster", "orders"]);
    command.args(["--repo", &fixture.access.url, "--at", at]);
    command.arg("--key-file").arg(&key).arg("--dir").arg(dir);
    command
        .arg("--bin-dir")
        .arg(fixture.cluster.programs().directory());
    command
}

fn told(output: &Output) -> Value {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn code(output: &Output) -> String {
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    error["code"].as_str().unwrap().to_owned()
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Every file below a directory, with its bytes.
fn content(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut pending = vec![root.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_owned();
                files.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    files
}

/// The original's server may still write into its files, but makes none.
fn sizes(root: &Path) -> BTreeMap<PathBuf, usize> {
    let files = content(root).into_iter();
    files.map(|(path, bytes)| (path, bytes.len())).collect()
}

fn extract(archive: &Path, into: &Path) {
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(into, private).unwrap();
    let mut extract = Command::new("tar");
    testkit::must_run(extract.arg("-xpf").arg(archive).arg("-C").arg(into));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_with_tablespaces_is_packed_on_15() {
    tablespaces(15).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_with_tablespaces_is_packed_on_18() {
    tablespaces(18).await;
}

/// An archive for each, as `pg_basebackup` has it; what comes out of them starts,
/// with its tablespaces where they were mapped to.
async fn tablespaces(number: u32) {
    let fixture = Fixture::new(&testkit::major(number)).await;
    let root = fixture.cluster.root().to_owned();
    let mut oids = BTreeMap::new();
    for name in ["fast", "slow"] {
        let place = fixture.directory(name).display().to_string();
        let create = format!("CREATE TABLESPACE {name} LOCATION '{place}'");
        fixture.session.execute(&create).await.unwrap();
        let filled = format!(
            "CREATE TABLE in_{name} TABLESPACE {name} AS \
             SELECT i, md5(i::text) AS t FROM generate_series(1, 3000) i"
        );
        fixture.session.execute(&filled).await.unwrap();
        let oid = format!("SELECT oid FROM pg_tablespace WHERE spcname = '{name}'");
        oids.insert(name, fixture.cluster.psql(&oid));
    }
    fixture.archived_backup().await;
    fixture.archive().await;
    let originals = [sizes(&root.join("fast")), sizes(&root.join("slow"))];

    let packed = root.join("packed");
    let (fast, slow) = (root.join("new-fast"), root.join("new-slow"));
    let map = |old: &str, new: &Path| format!("{old}={}", new.display());
    let (to_fast, to_slow) = (map("fast", &fast), map("slow", &slow));
    let mapped = ["--tablespace-map", &to_fast, "--tablespace-map", &to_slow];
    let wal = map("pg_wal", &root.join("new-wal"));
    let refused = restore(&fixture, "immediate", &packed, &["--tablespace-map", &wal]);
    assert_eq!(code(&refused), "format_conflict");
    assert!(!packed.exists());
    let done = told(&restore(&fixture, "immediate", &packed, &mapped));
    let archives =
        [oids["fast"].as_str(), oids["slow"].as_str(), "base"].map(|name| format!("{name}.tar"));
    assert_eq!(names(&packed), archives);
    let placed = &done["result"]["tablespaces"];
    assert_eq!(placed[0]["to"], fast.to_str().unwrap(), "{placed}");
    assert_eq!(
        placed[0]["archive"],
        packed.join(&archives[0]).to_str().unwrap()
    );
    let beside = names(&root);
    assert!(
        !beside.iter().any(|name| name.starts_with("packed.")),
        "{beside:?}"
    );
    assert!(!fast.exists(), "nothing is put where they will be");

    let data = fixture.directory("extracted");
    extract(&packed.join("base.tar"), &data);
    for (place, name) in [("new-fast", &archives[0]), ("new-slow", &archives[1])] {
        extract(&packed.join(name), &fixture.directory(place));
    }
    let mut verify = fixture.cluster.program("pg_verifybackup");
    verify.args(["--no-parse-wal", "--ignore=.holdfast"]);
    testkit::must_run(verify.arg(&data));
    starts(&fixture, &data, &fast).await;
    let now = [sizes(&root.join("fast")), sizes(&root.join("slow"))];
    assert_eq!(now, originals, "the original's tablespaces are untouched");
}

async fn starts(fixture: &Fixture, data: &Path, fast: &Path) {
    let root = fixture.cluster.root();
    let port = testkit::free_port();
    let options = format!("-p {port} -k {}", root.display());
    let mut start = fixture.cluster.program("pg_ctl");
    start.args(["start", "-w", "-t", "60", "-o", &options]);
    start.arg("-l").arg(root.join("extracted.log"));
    testkit::must_run(start.arg("-D").arg(data));
    let session = connect(root, port).await;
    promoted(&session).await;
    let query = "SELECT format('%s %s %s', (SELECT count(*) FROM in_fast), \
                 (SELECT count(*) FROM in_slow), (SELECT pg_tablespace_location(oid) \
                  FROM pg_tablespace WHERE spcname = 'fast'))";
    let said: String = session.row(query, &[]).await.unwrap().get(0);
    assert_eq!(said, format!("3000 3000 {}", fast.display()));
    drop(session);
    let mut stop = fixture.cluster.program("pg_ctl");
    testkit::must_run(stop.args(["stop", "-m", "immediate", "-D"]).arg(data));
}

/// The archive of a dump holds what a plain restore of it writes, to the byte, and
/// pg_restore takes what comes out of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_is_packed_as_its_files_are() {
    let fixture = Fixture::new(&testkit::major(18)).await;
    let root = fixture.cluster.root().to_owned();
    let filled = "CREATE TABLE item AS SELECT i, md5(i::text) AS t FROM generate_series(1, 9000) i";
    fixture.session.execute(filled).await.unwrap();
    let formats = [
        ("directory", DumpFormat::Directory),
        ("custom", DumpFormat::Custom),
    ];
    for (name, format) in formats {
        let work = BackupWork {
            kind: BackupKind::Logical,
            dump: Some(DumpOptions {
                format,
                ..DumpOptions::default()
            }),
            ..fixture.backup_work()
        };
        let taken = succeeded(backup::run(work, context(), &fixture.host).await);
        let at = format!("backup:{}", taken.backup.unwrap().id);
        let place = |what: &str| root.join(format!("{what}-{name}"));
        let (packed, plain) = (place("packed"), place("plain"));
        let done = told(&restore(&fixture, &at, &packed, &[]));
        assert_eq!(names(&packed), ["dump.tar"]);
        let archive = packed.join("dump.tar");
        assert_eq!(done["result"]["archive"], archive.to_str().unwrap());
        let again = restore(&fixture, &at, &packed, &[]);
        assert_eq!(code(&again), "dir_not_empty"); // I-12

        told(&restore_as(&fixture, &at, &plain, &[]));
        let expected = content(&plain);
        let out = fixture.directory(&format!("out-{name}"));
        extract(&archive, &out);
        assert!(expected.len() > 2);
        assert!(content(&out) == expected, "the very same files");
        let path = done["result"]["dump"]["databases"][0]["path"]
            .as_str()
            .unwrap();
        let programs = fixture.cluster.programs().directory();
        let mut read = Command::new(programs.join("pg_restore"));
        let listed = read.arg("--file=-").arg(out.join(path)).output().unwrap();
        let said = String::from_utf8_lossy(&listed.stdout);
        assert!(said.contains("COPY public.item"), "{said}");
        let rows = said.lines().filter(|line| line.contains('\t')).count();
        assert_eq!(rows, 9000);
    }
}
