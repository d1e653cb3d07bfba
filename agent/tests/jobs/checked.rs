//! Restores of real servers that are checked before others come in, and the commands that
//! a host runs then.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use holdfast_agent::host::{HookConfig, Host, HostConfig, PostgresConfig};
use holdfast_agent::job::{JobContext, restore};
use holdfast_pg::testkit;
use holdfast_types::drill::CheckResult;
use holdfast_types::{JobPhase, RestoreRequest, Span};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::fixture::{Fixture, Restored};

async fn with_orders(major: u32) -> Fixture {
    let fixture = Fixture::new(&testkit::major(major)).await;
    for statement in [
        "CREATE TABLE orders AS SELECT i AS id, md5(i::text) AS note \
         FROM generate_series(1, 1000) i",
        "ALTER TABLE orders ADD PRIMARY KEY (id)",
        // Whoever may connect may write, so that nothing but the looking is in the way.
        "GRANT ALL ON orders TO PUBLIC",
        // Closed to others, and one that the extension is in already.
        "CREATE DATABASE closed",
        "REVOKE CONNECT ON DATABASE closed FROM PUBLIC",
        "CREATE DATABASE looked",
    ] {
        fixture.session.execute(statement).await.unwrap();
    }
    fixture
        .cluster
        .psql_in("looked", "CREATE EXTENSION amcheck");
    fixture.archived_backup().await;
    fixture
}

fn checked(fixture: &Fixture, checks: Value, hooks: &[&str]) -> RestoreRequest {
    RestoreRequest {
        start: true,
        checks: serde_json::from_value(checks).unwrap(),
        hooks: hooks.iter().map(|name| name.parse().unwrap()).collect(),
        ..fixture.request("latest")
    }
}

/// The same server and repository, on a host that allows these hooks.
fn allowing(fixture: Fixture, hooks: &[(&str, &Path, u64)]) -> Fixture {
    let hook = |(name, program, seconds): &(&str, &Path, u64)| {
        let command = vec![program.display().to_string(), "one word".to_owned()];
        let timeout = Span::from_secs(*seconds);
        (name.parse().unwrap(), HookConfig { command, timeout })
    };
    let bin_dirs = vec![fixture.cluster.programs().directory().to_owned()];
    let config = HostConfig {
        postgres: PostgresConfig { bin_dirs },
        hooks: hooks.iter().map(hook).collect(),
    };
    let (data, executable) = (fixture.host.data_dir(), fixture.host.executable());
    let host = Host::with_executable(data.to_owned(), config, executable.to_owned());
    fixture.on_host(host)
}

fn script(fixture: &Fixture, name: &str, text: &str) -> PathBuf {
    let path = fixture.cluster.root().join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    path
}

fn check<'a>(copy: &'a Restored, name: &str) -> &'a CheckResult {
    let mut checks = copy.result.checks.iter();
    let found = checks.find(|check| check.name == name);
    found.unwrap_or_else(|| panic!("no check {name} in {:?}", copy.result.checks))
}

/// Whether the file that lets people in is that of the cluster.
fn lets_others_in(copy: &Restored) -> bool {
    let rules = copy.dir().join(".holdfast/pg_hba.conf");
    rules.symlink_metadata().unwrap().is_symlink()
}

const LEFT: &str = "SELECT (SELECT count(*) FROM pg_roles WHERE rolname ~ '^holdfast_drill') + \
                    (SELECT count(*) FROM pg_extension WHERE extname = 'amcheck')";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_is_checked_and_handed_over_by_its_host_on_15() {
    passes(15).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_is_checked_and_handed_over_by_its_host_on_18() {
    passes(18).await;
}

async fn passes(major: u32) {
    let fixture = with_orders(major).await;
    let told = script(
        &fixture,
        "told",
        "echo \"$1\"; env | grep '^HOLDFAST_' | sort; id -u; echo $HOME >&2",
    );
    let fixture = allowing(fixture, &[("told", &told, 60), ("again", &told, 60)]);
    let checks = json!([
        {"name": "many", "sql": "select count(*) from orders", "expect": "= 1000",
         "database": "postgres"},
        {"sql": "select current_database()", "expect": "= closed", "database": "closed"},
        {"amcheck": true},
    ]);
    let request = checked(&fixture, checks, &["told", "again"]);
    let copy = fixture.restore(&request).await;
    assert!(
        copy.result.checks.iter().all(|check| check.passed),
        "{:#?}",
        copy.result.checks
    );
    assert_eq!(copy.result.checks.len(), 4);
    let phases = &copy.result.phases;
    assert!(phases.iter().any(|time| time.phase == JobPhase::Check));
    // Nothing of the looking is left, and others come in.
    assert!(lets_others_in(&copy));
    assert_eq!(copy.psql_in("postgres", LEFT), "0");
    let in_looked = copy.psql_in(
        "looked",
        "SELECT count(*) FROM pg_extension WHERE extname = 'amcheck'",
    );
    assert_eq!(in_looked, "1", "what was there stays");
    let open = "SELECT datacl::text !~ 'holdfast' FROM pg_database WHERE datname = 'closed'";
    assert_eq!(copy.psql_in("postgres", open), "t");

    let hooks = &copy.result.hooks;
    assert_eq!(hooks.len(), 2, "{hooks:?}");
    assert_eq!(hooks[1].name.as_str(), "again");
    let ran = &hooks[0];
    assert_eq!((ran.exit_code, &ran.failure), (Some(0), &None));
    let lines: Vec<&str> = ran.output.lines().collect();
    assert!(lines.contains(&"one word"), "{lines:?}");
    let said = |name: &str| {
        let mut values = lines.iter().filter_map(|line| line.split_once('='));
        let found = values.find(|(key, _)| *key == name);
        found.unwrap_or_else(|| panic!("no {name} in {lines:?}")).1
    };
    assert_eq!(said("HOLDFAST_DATA_DIR"), copy.result.dir);
    assert_eq!(said("HOLDFAST_PORT"), copy.result.port.unwrap().to_string());
    assert_eq!(
        said("HOLDFAST_SOCKET_DIR"),
        copy.result.socket_dir.as_deref().unwrap()
    );
    assert_eq!(
        said("HOLDFAST_REACHED_LSN"),
        copy.result.reached_lsn.to_string()
    );
    assert_eq!(said("HOLDFAST_CLUSTER"), request.cluster.as_str());
    let restore = said("HOLDFAST_RESTORE_ID");
    assert!(restore.starts_with("rst_"));
    assert_eq!(said("HOLDFAST_KEY"), format!("{restore}.hook.told"));
    assert_eq!(ran.key, said("HOLDFAST_KEY"));
    // Never as root: as PostgreSQL's programs.
    let owner = fixture.cluster.run_as().uid().to_string();
    assert!(lines.contains(&owner.as_str()), "{lines:?}");
}

/// I-12: what failed a check is there to be looked at, by its owner and nobody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_a_check_runs_and_lets_nobody_in() {
    let fixture = with_orders(15).await;
    let made = fixture.cluster.root().join("made");
    let touch = script(&fixture, "touch", &format!("touch {}", made.display()));
    let fixture = allowing(fixture, &[("touch", &touch, 60)]);
    let of = |name: &str, sql: &str| json!({"name": name, "sql": sql, "expect": "= 1", "database": "postgres"});
    let checks = json!([
        of("few", "select count(*) from orders"),
        of("fine", "select 1"),
        of("writes", "delete from orders returning 1"),
        of("two", "commit; delete from orders"),
        of("block", "do $$ begin commit; delete from orders; end $$"),
        of("program", "copy orders to program 'true'"),
    ]);
    let copy = fixture
        .restore(&checked(&fixture, checks, &["touch"]))
        .await;
    let passed = |name: &str| check(&copy, name).passed;
    assert!(passed("fine") && !passed("few"));
    assert!(!passed("writes") && !passed("two") && !passed("block") && !passed("program"));
    assert_eq!(check(&copy, "few").seen.as_deref(), Some("1000"));
    assert!(copy.is_running() && !lets_others_in(&copy));
    assert_eq!(
        copy.psql_in("postgres", "SELECT count(*) FROM orders"),
        "1000"
    );
    assert_eq!(copy.psql_in("postgres", LEFT), "0");
    assert_eq!(copy.result.hooks, []);
    assert!(!made.exists(), "no hook is run");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hook_that_fails_or_hangs_is_told_and_ends_nothing_else() {
    let fixture = with_orders(18).await;
    let fails = script(&fixture, "fails", "echo what is wrong >&2; exit 7");
    let hangs = script(&fixture, "hangs", "sleep 600");
    let hooks = [("fails", fails.as_path(), 60), ("hangs", &hangs, 1)];
    let fixture = allowing(fixture, &hooks);
    for (named, why) in [
        (
            ["fails", "hangs"],
            "ended with 7; it wrote last: what is wrong",
        ),
        (["hangs", "fails"], "took longer than 1s"),
    ] {
        let copy = fixture.restore(&checked(&fixture, json!([]), &named)).await;
        // None after one that failed.
        assert_eq!(copy.result.hooks.len(), 1);
        let failure = copy.result.hooks[0].failure.as_ref().unwrap();
        assert_eq!(failure.code, "hook_failed");
        assert!(failure.message.contains(why), "{failure}");
        assert!(copy.is_running() && lets_others_in(&copy));
        copy.stop("fast");
    }
    // Without a server there is a directory to speak of.
    let plain = RestoreRequest {
        start: false,
        ..checked(&fixture, json!([]), &["fails"])
    };
    let copy = fixture.restore(&plain).await;
    assert_eq!(copy.result.hooks[0].exit_code, Some(7));
}

/// From when others are let in it may be in use: whoever cancels ends the hook.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cancels_while_a_hook_runs_does_not_take_the_server_away() {
    let fixture = with_orders(18).await;
    let begun = fixture.directory("begun").join("mark");
    let waits = format!("touch {}; sleep 600", begun.display());
    let waits = script(&fixture, "waits", &waits);
    let fixture = allowing(fixture, &[("waits", &waits, 3_600)]);
    let request = checked(&fixture, json!([]), &["waits"]);
    let plan = fixture.plan(&request).await.unwrap();
    let cancel = CancellationToken::new();
    let cx = JobContext::new(cancel.clone());
    let work = fixture.restore_work(&request, plan.clone());
    let (outcome, ()) = tokio::join!(restore::run(work, cx, &fixture.host), async {
        while !begun.exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        cancel.cancel();
    });
    let copy = fixture.restored(plan, outcome);
    let failure = copy.result.hooks[0].failure.as_ref().unwrap();
    assert!(failure.message.contains("was cancelled"), "{failure}");
    assert!(copy.is_running() && lets_others_in(&copy));
    assert!(copy.dir().join("global/pg_control").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hook_that_the_host_does_not_allow_is_refused_by_the_plan() {
    let fixture = with_orders(15).await;
    let there = script(&fixture, "there", "true");
    let fixture = allowing(fixture, &[("there", &there, 60)]);
    let request = checked(&fixture, json!([]), &["there", "elsewhere"]);
    let plan = fixture.plan(&request).await.unwrap();
    let codes: Vec<&str> = plan.problems.iter().map(|one| one.code.as_str()).collect();
    assert_eq!(codes, ["hook_not_allowed"]);
    // One that was planned and is gone meanwhile is run by nobody, and nothing is done.
    let request = checked(&fixture, json!([]), &["there"]);
    let plan = fixture.plan(&request).await.unwrap();
    assert_eq!(plan.problems, []);
    std::fs::remove_file(&there).unwrap();
    let outcome = fixture.execute(&request, plan).await;
    assert_eq!(crate::fixture::failure(outcome).code, "hook_unusable");
    assert!(!Path::new(&request.dir).exists());
}
