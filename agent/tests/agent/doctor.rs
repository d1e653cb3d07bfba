//! `doctor` against real servers: its statements are run as they are printed,
//! and then nothing is missing.

use holdfast_agent::doctor::{self, Diagnosis, Examine};
use holdfast_pg::testkit::{TestCluster, all_majors, major};

async fn visit(cluster: &TestCluster, user: &str) -> Diagnosis {
    let socket = cluster.socket_dir().display();
    let directory = tempfile::tempdir().unwrap();
    let examine = Examine {
        data: directory.path().to_owned(),
        connection: Some(format!("host={socket} port={} user={user}", cluster.port())),
        password: None,
        bin_dirs: vec![cluster.programs().directory().to_owned()],
    };
    doctor::examine(&examine, None).await.unwrap().remove(0)
}

/// The statements that were printed, without what is for people.
fn statements(diagnosis: &Diagnosis) -> String {
    let lines = diagnosis.findings.iter().flat_map(|finding| &finding.fix);
    lines
        .filter(|line| line.ends_with(';'))
        .cloned()
        .collect::<Vec<_>>()
        .join("\n")
}

fn codes(diagnosis: &Diagnosis) -> Vec<&str> {
    diagnosis
        .findings
        .iter()
        .map(|finding| finding.code.as_str())
        .collect()
}

#[tokio::test]
async fn its_statements_make_a_poor_role_a_backup_role() {
    for programs in all_majors() {
        let cluster = TestCluster::builder(&programs).start();
        cluster.psql("CREATE ROLE holdfast LOGIN");
        let before = visit(&cluster, "holdfast").await;
        assert!(!before.ready);
        assert!(
            codes(&before)
                .iter()
                .all(|code| *code == "pg_right_missing"),
            "{before:?}"
        );
        let text = doctor::text(std::slice::from_ref(&before));
        assert!(text.contains("ALTER ROLE holdfast REPLICATION;"), "{text}");
        assert!(text.contains("GRANT pg_monitor TO holdfast;"), "{text}");
        cluster.psql(&statements(&before));
        let after = visit(&cluster, "holdfast").await;
        assert!(after.ready, "{after:?}");
        assert_eq!(
            after.data_directory,
            Some(cluster.data_dir().display().to_string())
        );
        assert_eq!(doctor::json(&[after])["items"][0]["ready"], true);
    }
}

#[tokio::test]
async fn a_role_that_does_not_exist_is_made_by_what_is_printed() {
    let cluster = TestCluster::builder(&major(18)).start();
    let before = visit(&cluster, "nobody-yet").await;
    assert_eq!(codes(&before), ["pg_role_refused"]);
    cluster.psql(&statements(&before));
    assert!(visit(&cluster, "nobody-yet").await.ready);
}

#[tokio::test]
async fn settings_and_pg_hba_are_named_exactly() {
    let cluster = TestCluster::builder(&major(15))
        .setting("wal_level", "minimal")
        .setting("max_wal_senders", "0")
        .setting("max_replication_slots", "0")
        .setting("full_page_writes", "off")
        .start();
    let found = visit(&cluster, "postgres").await;
    let codes = codes(&found);
    for code in [
        "pg_wal_level",
        "pg_max_wal_senders",
        "pg_max_replication_slots",
        "pg_full_page_writes",
    ] {
        assert!(codes.contains(&code), "{code} in {codes:?}");
    }
    assert!(statements(&found).contains("ALTER SYSTEM SET wal_level = 'replica';"));

    let cluster = TestCluster::builder(&major(15))
        .hba("local replication postgres reject")
        .start();
    let found = visit(&cluster, "postgres").await;
    assert_eq!(found.findings.len(), 1, "{found:?}");
    let finding = &found.findings[0];
    assert_eq!(finding.code, "pg_hba_refused");
    assert!(
        finding.fix[0].contains("local replication \"postgres\""),
        "{finding:?}"
    );
}
