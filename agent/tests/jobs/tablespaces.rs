//! Tablespaces and a linked pg_wal: what is in them is in every backup of a
//! chain, and a restore puts them where it was told to and nowhere else (I-12).

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::Path;

use holdfast_pg::binaries::Programs;
use holdfast_pg::sql::Session;
use holdfast_pg::testkit;
use holdfast_types::{CommittedBackup, RestoreRequest};

use crate::fixture::{Fixture, Restored, failure};
use crate::incremental::committed;

/// `CREATE TABLESPACE`, in a directory of that name.
async fn make(fixture: &Fixture, name: &str) -> String {
    let place = fixture.directory(name).display().to_string();
    let create = format!("CREATE TABLESPACE {name} LOCATION '{place}'");
    fixture.session.execute(&create).await.unwrap();
    place
}

fn map(pairs: &[(&str, &Path)]) -> BTreeMap<String, String> {
    let owned = |&(old, new): &(&str, &Path)| (old.to_owned(), new.display().to_string());
    pairs.iter().map(owned).collect()
}

async fn one(session: &Session, query: &str) -> String {
    session.row(query, &[]).await.unwrap().get(0)
}

/// What the tables hold, and which table is in which tablespace.
const CONTENT: &str = "\
SELECT string_agg(format('%s %s', relname, coalesce(spcname, '-')), ',' ORDER BY relname) || \
       (SELECT format(' %s %s %s', count(*), sum(i), md5(string_agg(t, ',' ORDER BY i))) \
        FROM (SELECT i, t FROM one UNION ALL SELECT i, t FROM two) rows) \
FROM pg_class c LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace \
WHERE relname IN ('one', 'two', 'one_i')";

/// Every file below a directory with its size: nothing else may write there.
fn files(root: &Path) -> BTreeMap<String, u64> {
    let mut files = BTreeMap::new();
    let mut pending = vec![root.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(&directory).unwrap() {
            let (path, meta) = entry.map(|e| (e.path(), e.metadata().unwrap())).unwrap();
            if meta.is_dir() {
                pending.push(path);
            } else {
                files.insert(path.display().to_string(), meta.len());
            }
        }
    }
    files
}

// Pitfalls 2, 13, 24 and 27
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_with_tablespaces_restores_on_15() {
    chain(&testkit::major(15)).await;
}

// Pitfalls 2, 13, 24 and 27
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_with_tablespaces_restores_on_18() {
    chain(&testkit::major(18)).await;
}

async fn chain(programs: &Programs) {
    let fixture = Fixture::new(programs).await;
    let fast = make(&fixture, "fast").await;
    make(&fixture, "slow").await;
    for statement in [
        "SET allow_in_place_tablespaces = on",
        "CREATE TABLESPACE inplace LOCATION ''",
        "CREATE TABLE one TABLESPACE fast AS \
         SELECT i, md5(i::text) AS t FROM generate_series(1, 20000) i",
        "CREATE INDEX one_i ON one (i) TABLESPACE inplace",
        "CREATE TABLE two AS SELECT i, md5(i::text) AS t FROM generate_series(1, 500) i",
    ] {
        fixture.session.execute(statement).await.unwrap();
    }
    let duty = fixture.receive_wal();
    let full = committed(&fixture.backup().await);
    let mut states = vec![(full, one(&fixture.session, CONTENT).await)];
    // Between incrementals tables move from one tablespace to another, and a
    // new tablespace comes.
    for statements in [
        &[
            "ALTER TABLE one SET TABLESPACE slow",
            "DELETE FROM one WHERE i % 7 = 0",
        ][..],
        &[
            "ALTER TABLE two SET TABLESPACE late",
            "ALTER INDEX one_i SET TABLESPACE fast",
        ],
        &[
            "ALTER TABLE one SET TABLESPACE pg_default",
            "UPDATE two SET t = t || '!'",
        ],
    ] {
        if statements[0].ends_with("late") {
            make(&fixture, "late").await;
        }
        for statement in statements {
            fixture.session.execute(statement).await.unwrap();
        }
        let success = fixture.incremental(&states.last().unwrap().0).await;
        assert_eq!(success.result["kind"], "incremental", "{}", success.result);
        states.push((committed(&success), one(&fixture.session, CONTENT).await));
    }
    fixture
        .session
        .execute("SELECT pg_switch_wal()")
        .await
        .unwrap();
    let mut originals = files(Path::new(&fast));
    originals.extend(files(&fixture.cluster.root().join("slow")));
    for (number, (backup, content)) in states.iter().enumerate() {
        let copy = mapped(&fixture, backup, (number, &fast)).await;
        assert_eq!(one(&copy.connect().await, CONTENT).await, *content);
        copy.check_everything();
    }
    let mut now = files(Path::new(&fast));
    now.extend(files(&fixture.cluster.root().join("slow")));
    assert_eq!(
        now, originals,
        "a restore wrote into the original's tablespaces"
    );
    duty.stop().await;
}

/// Restores to new places, some named by where they were, some by name, first
/// without starting it, for `pg_verifybackup`.
async fn mapped(
    fixture: &Fixture,
    backup: &CommittedBackup,
    (number, fast): (usize, &str),
) -> Restored {
    let at = format!("backup:{}", backup.id);
    let root = fixture.cluster.root().to_owned();
    let place = |what: &str, turn: &str| root.join(format!("{what}-{number}-{turn}"));
    let asked = |turn: &str| {
        let (to_fast, to_slow, to_late) = (place("f", turn), place("s", turn), place("l", turn));
        let mut map = map(&[(fast, &to_fast), ("slow", &to_slow)]);
        if number >= 2 {
            map.insert("late".to_owned(), to_late.display().to_string());
        }
        RestoreRequest {
            tablespace_map: map,
            ..fixture.request(&at)
        }
    };
    let copy = fixture.restore(&asked("cold")).await;
    copy.verify_backup();
    let planned: Vec<_> = copy
        .plan
        .tablespaces
        .iter()
        .map(|one| one.name.clone().unwrap())
        .collect();
    let expected: &[&str] = if number >= 2 {
        &["fast", "slow", "late"]
    } else {
        &["fast", "slow"]
    };
    assert_eq!(planned, expected);
    drop(copy);
    let request = RestoreRequest {
        start: true,
        ..asked("warm")
    };
    let copy = fixture.restore(&request).await;
    let query = "SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE spcname = 'fast'";
    let location = one(&copy.connect().await, query).await;
    assert_eq!(location, place("f", "warm").display().to_string());
    copy
}

// I-12
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_that_is_in_use_is_refused_and_left_as_it_is() {
    let fixture = Fixture::new(&testkit::major(18)).await;
    let fast = make(&fixture, "fast").await;
    fixture
        .session
        .execute("CREATE TABLE one TABLESPACE fast AS SELECT 1 AS i")
        .await
        .unwrap();
    fixture.archived_backup().await;
    let before = files(Path::new(&fast));
    let codes = async |map: BTreeMap<String, String>| {
        let request = RestoreRequest {
            tablespace_map: map,
            ..fixture.request("immediate")
        };
        let plan = fixture.plan(&request).await.unwrap();
        let failed = failure(fixture.execute(&request, plan.clone()).await);
        assert!(!Path::new(&request.dir).exists());
        let codes: Vec<_> = plan
            .problems
            .into_iter()
            .map(|problem| problem.code)
            .collect();
        assert_eq!(codes.first(), Some(&failed.code));
        codes
    };
    // Nothing said: the original's own place.
    assert_eq!(codes(map(&[])).await, ["tablespace_not_empty"]);
    let used = fixture.directory("used");
    std::fs::write(used.join("x"), "x").unwrap();
    assert_eq!(
        codes(map(&[("fast", &used)])).await,
        ["tablespace_not_empty"]
    );
    let nowhere = Path::new("/nonexistent/deep");
    assert_eq!(
        codes(map(&[("fast", nowhere)])).await,
        ["dir_parent_missing"]
    );
    let free = fixture.cluster.root().join("free");
    assert_eq!(
        codes(map(&[("fast", &free), ("none", &free)])).await,
        ["tablespace_unknown"]
    );
    assert!(!free.exists());
    assert_eq!(files(Path::new(&fast)), before);
    // An empty directory that is there is taken, also the place it had.
    let empty = fixture.directory("empty");
    let request = RestoreRequest {
        tablespace_map: map(&[("fast", &empty)]),
        ..fixture.request("immediate")
    };
    fixture.restore(&request).await.verify_backup();
}

/// I-12: a tablespace that WAL makes would be made in the original's place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replay_makes_no_tablespace_where_somebody_else_has_one() {
    let fixture = Fixture::new(&testkit::major(15)).await;
    fixture.archived_backup().await;
    let before = fixture.archive().await;
    let late = make(&fixture, "late").await;
    for statement in [
        "CREATE TABLE one TABLESPACE late AS SELECT generate_series(1, 1000) AS i",
        "CHECKPOINT",
        "SELECT pg_switch_wal()",
    ] {
        fixture.session.execute(statement).await.unwrap();
    }
    fixture.archive().await;
    let originals = files(Path::new(&late));
    let started = |at: &str| RestoreRequest {
        start: true,
        ..fixture.request(at)
    };
    let request = started("latest");
    let plan = fixture.plan(&request).await.unwrap();
    let failed = failure(fixture.execute(&request, plan).await);
    assert!(failed.message.contains("makes a tablespace"), "{failed}");
    assert_eq!(files(Path::new(&late)), originals);
    // Before it there is nothing in the way.
    let request = RestoreRequest {
        exclusive: true,
        ..started(&format!("lsn:{before}"))
    };
    let copy = fixture.restore(&request).await;
    copy.check_everything();
    drop(copy);
    // The original gives it up, and the directory is there and empty.
    for statement in ["DROP TABLE one", "DROP TABLESPACE late"] {
        fixture.session.execute(statement).await.unwrap();
    }
    let copy = fixture.restore(&started("latest")).await;
    let row = copy.connect().await;
    assert_eq!(one(&row, "SELECT count(*)::text FROM one").await, "1000");
}

/// A linked pg_wal comes back in the data directory, or where it is told to.
// Pitfall 13
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_linked_pg_wal_goes_where_it_is_told_to() {
    let fixture = Fixture::new(&testkit::major(15)).await;
    fixture.cluster.stop("fast");
    let (inside, outside) = (
        fixture.cluster.data_dir().join("pg_wal"),
        fixture.cluster.root().join("wal"),
    );
    std::fs::rename(&inside, &outside).unwrap();
    symlink(&outside, &inside).unwrap();
    fixture.cluster.start_again();
    let fixture = fixture.reconnected().await;
    fixture
        .session
        .execute("CREATE TABLE t AS SELECT 7 AS i")
        .await
        .unwrap();
    fixture.archived_backup().await;
    let plain = RestoreRequest {
        start: true,
        ..fixture.request("immediate")
    };
    let copy = fixture.restore(&plain).await;
    let warned = copy
        .plan
        .warnings
        .iter()
        .any(|text| text.contains("pg_wal was a link"));
    assert!(warned, "{:?}", copy.plan.warnings);
    assert!(!copy.dir().join("pg_wal").is_symlink());
    copy.check_everything();
    drop(copy);
    for (name, place) in [("pg_wal", "w1"), (outside.to_str().unwrap(), "w2")] {
        let place = fixture.cluster.root().join(place);
        let request = RestoreRequest {
            start: true,
            tablespace_map: map(&[(name, &place)]),
            ..fixture.request("immediate")
        };
        let copy = fixture.restore(&request).await;
        assert_eq!(
            std::fs::read_link(copy.dir().join("pg_wal")).unwrap(),
            place
        );
        assert!(place.join("archive_status").exists());
        assert_eq!(
            one(&copy.connect().await, "SELECT i::text FROM t").await,
            "7"
        );
        copy.check_everything();
    }
}
