//! What a backup copies against what pg_basebackup copies.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use holdfast_pg::exclude::{Decision, Directory};
use holdfast_pg::sql::Session;
use holdfast_pg::testkit::{TestCluster, all_majors, must_run};

/// What our rules copy: files, and directories with a slash behind.
fn chosen(root: &Path, below: &Path, found: &mut BTreeSet<String>) {
    let names: Vec<OsString> = std::fs::read_dir(root.join(below))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    let rules = Directory::new(below, &names);
    for name in &names {
        let path = below.join(name);
        let is_directory = std::fs::metadata(root.join(&path)).is_ok_and(|m| m.is_dir());
        let shown = path.to_str().unwrap();
        match rules.decide(name) {
            Decision::Skip => {}
            Decision::Empty => {
                found.insert(format!("{shown}/"));
            }
            Decision::Copy if is_directory => {
                found.insert(format!("{shown}/"));
                chosen(root, &path, found);
            }
            Decision::Copy | Decision::ControlFile => {
                found.insert(shown.to_owned());
            }
        }
    }
}

fn list(root: &Path, below: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(root.join(below)).unwrap() {
        let path = below.join(entry.unwrap().file_name());
        let shown = path.to_str().unwrap();
        if std::fs::metadata(root.join(&path)).unwrap().is_dir() {
            found.insert(format!("{shown}/"));
            list(root, &path, found);
        } else {
            found.insert(shown.to_owned());
        }
    }
}

/// Makes a directory that the server may use.
fn directory(cluster: &TestCluster, path: &Path) {
    std::fs::create_dir_all(path).unwrap();
    let user = cluster.run_as();
    std::os::unix::fs::chown(path, Some(user.uid()), Some(user.gid())).unwrap();
}

/// Tables of every kind, in and outside a tablespace, and what a crash or a
/// person leaves behind.
fn fill(cluster: &TestCluster, space: &Path) {
    directory(cluster, space);
    cluster.psql(&format!(
        "CREATE TABLESPACE space LOCATION '{}'",
        space.display()
    ));
    for (table, place) in [("plain", ""), ("roomy", "TABLESPACE space")] {
        cluster.psql(&format!(
            "CREATE UNLOGGED TABLE u_{table} {place} AS SELECT generate_series(1, 20000) i\n\
             CREATE INDEX ON u_{table} (i) {place}\n\
             CREATE TABLE l_{table} {place} AS SELECT generate_series(1, 20000) i\n\
             VACUUM u_{table}\nVACUUM l_{table}\nCHECKPOINT"
        ));
    }
    directory(cluster, &cluster.data_dir().join("base/pgsql_tmp"));
    for stray in [
        "backup_manifest",
        "postgresql.auto.conf.tmp",
        "current_logfiles.tmp",
        "global/pg_internal.init.4711",
        "base/pgsql_tmp/pgsql_tmp1.0",
        "base/1/keep.me",
        "my_notes.txt",
    ] {
        cluster.append(stray, "x\n");
    }
}

fn pg_basebackup(cluster: &TestCluster, space: &Path) -> PathBuf {
    let copy = cluster.root().join("copy");
    let mapping = format!(
        "{}={}",
        space.display(),
        cluster.root().join("space2").display()
    );
    must_run(
        cluster
            .program("pg_basebackup")
            .args([
                "-d",
                &cluster.socket_conninfo(),
                "-X",
                "none",
                "--no-manifest",
            ])
            .args([
                "--checkpoint=fast",
                "--no-sync",
                "--tablespace-mapping",
                &mapping,
                "-D",
            ])
            .arg(&copy),
    );
    copy
}

// Pitfall 8
#[tokio::test]
async fn we_copy_what_pg_basebackup_copies() {
    for programs in all_majors() {
        let cluster = TestCluster::builder(&programs).start();
        let space = cluster.root().join("space");
        fill(&cluster, &space);
        // A temporary table needs a session that stays.
        let session = Session::connect(&cluster.local()).await.unwrap();
        let create = "CREATE TEMP TABLE passing AS SELECT generate_series(1, 20000)";
        session.execute(create).await.unwrap();

        let copy = pg_basebackup(&cluster, &space);
        let (mut ours, mut theirs) = (BTreeSet::new(), BTreeSet::new());
        chosen(&cluster.data_dir(), Path::new(""), &mut ours);
        list(&copy, Path::new(""), &mut theirs);
        // Written by pg_basebackup itself, and the inside of pg_wal.
        theirs.retain(|path| path != "backup_label");
        theirs.retain(|path| path == "pg_wal/" || !path.starts_with("pg_wal/"));
        assert!(
            ours.iter().any(|path| path.ends_with("_init")),
            "an unlogged table is there"
        );
        assert!(
            ours.iter().any(|path| path.starts_with("pg_tblspc/1")),
            "and a tablespace"
        );
        let too_much: Vec<&String> = ours.difference(&theirs).collect();
        let too_little: Vec<&String> = theirs.difference(&ours).collect();
        assert!(
            too_much.is_empty() && too_little.is_empty(),
            "PostgreSQL {}: too much {too_much:?}, too little {too_little:?}",
            programs.version()
        );
        drop(session);
    }
}
