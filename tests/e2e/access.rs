//! Who may do what: tokens, names, logins, documents.

use std::time::Duration;

use holdfast_tests::agent::{Agent, try_enroll};
use holdfast_tests::cli::Cli;
use holdfast_tests::control_plane::{Addresses, ControlPlane};
use holdfast_tests::scratch::Scratch;
use holdfast_tests::until::until;
use serde_json::Value;

/// What a refused `enroll` says.
fn refused_enroll(node: &ControlPlane, token: &str, name: &str, scratch: &Scratch) -> String {
    let data = scratch.path().join("refused");
    let output = try_enroll(&node.grpc(), token, name, &data);
    assert!(!output.status.success(), "enrolled with {token}");
    assert!(
        !data.join("agent.toml").exists(),
        "a refused agent left its configuration"
    );
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let secret = token.split('.').nth(2).unwrap_or("none of it");
    assert!(
        !said.contains(secret),
        "the token's secret is shown: {said}"
    );
    said
}

fn join_token(cli: &Cli, ttl: &str) -> String {
    let made = cli.json(["agent", "token", "create", "--ttl", ttl]);
    made["token"].as_str().expect("a token").to_owned()
}

#[test]
fn agents_enrol_once_under_a_name_of_their_own() {
    let scratch = Scratch::new();
    let node = ControlPlane::bootstrap(scratch.path());
    let cli = node.cli();
    let agent = Agent::enroll(&node, &cli, scratch.path(), "db1");
    let listed = cli.json(["agent", "list"]);
    assert_eq!(listed["items"][0]["name"], "db1");
    until("the agent to be online", Duration::from_secs(10), || {
        (cli.json(["agent", "list"])["items"][0]["state"] == "online").then_some(())
    });

    let token = join_token(&cli, "1h");
    let said = refused_enroll(&node, &token, "db1", &scratch);
    assert!(
        said.contains("agent_name_taken") && said.contains("revoke"),
        "{said}"
    );

    let data = scratch.path().join("agent-db2");
    assert!(
        try_enroll(&node.grpc(), &token, "db2", &data)
            .status
            .success()
    );
    let said = refused_enroll(&node, &token, "db3", &scratch);
    assert!(said.contains("token_used"), "{said}");

    let short = join_token(&cli, "100ms");
    std::thread::sleep(Duration::from_millis(150));
    let said = refused_enroll(&node, &short, "db3", &scratch);
    assert!(said.contains("token_expired"), "{said}");

    let said = refused_enroll(&node, "hfj1.nonsense", "db3", &scratch);
    assert!(said.contains("join_token_malformed"), "{said}");

    // Another CA's hash in the token: we would be talking to a stranger.
    let token = join_token(&cli, "1h");
    let (head, ca) = token.rsplit_once('.').expect("a CA hash");
    let stranger = format!("{head}.{}", ca.chars().rev().collect::<String>());
    let said = refused_enroll(&node, &stranger, "db3", &scratch);
    assert!(said.contains("CA"), "{said}");

    let ran = cli.run(["agent", "revoke", "db1"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    until(
        "the revoked agent's session to end",
        Duration::from_secs(20),
        || {
            let listed = cli.json(["agent", "list"]);
            let state = |item: &Value| item["name"] == "db1" && item["state"] == "revoked";
            let revoked = listed["items"]
                .as_array()
                .expect("a list")
                .iter()
                .any(state);
            (revoked && !agent.data().join("ready.json").exists()).then_some(())
        },
    );
    let again = Agent::enroll(&node, &cli, &scratch.path().join("other"), "db1");
    assert_eq!(again.name(), "db1");
}

#[test]
fn an_agent_outlives_its_certificate() {
    let scratch = Scratch::new();
    let short = [("HOLDFAST_ACCESS__AGENT_CERTIFICATE", "12s")];
    let node = ControlPlane::bootstrap_with(scratch.path(), Addresses::any(), &short);
    let cli = node.cli();
    let mut agent = Agent::enroll(&node, &cli, scratch.path(), "db1");
    let enrolled = std::fs::read(agent.data().join("agent.crt")).expect("its certificate");
    let first: jiff::Timestamp = {
        let shown = cli.json(["agent", "list"]);
        let expires = shown["items"][0]["certificateExpiresAt"].as_str();
        expires.expect("a time").parse().expect("a time")
    };
    until(
        "the first certificate to end",
        Duration::from_secs(30),
        || (jiff::Timestamp::now() > first).then_some(()),
    );
    let kept = std::fs::read(agent.data().join("agent.crt")).expect("its certificate");
    assert_ne!(kept, enrolled, "{}", agent.log());
    // A new connection needs a certificate that has not ended.
    agent.kill();
    agent.restart();
    agent.wait_ready();
    let shown = cli.json(["agent", "list"]);
    assert_eq!(shown["items"][0]["state"], "online");
    let audit = cli.json(["audit", "list"]);
    let rows = audit["items"].as_array().expect("rows");
    assert!(rows.iter().any(|row| row["action"] == "renew_agent"));
}

#[test]
fn documents_are_applied_all_or_none_and_faults_have_a_path() {
    let scratch = Scratch::new();
    let node = ControlPlane::bootstrap(scratch.path());
    let cli = node.cli();
    let apply = |yaml: &str| {
        let ran = cli.run_with_input(["apply", "-f", "-", "-o", "json"], yaml);
        let said = ran.stderr.lines().last().unwrap_or_default().to_owned();
        (
            ran.code,
            serde_json::from_str::<Value>(&said).unwrap_or_default(),
        )
    };
    let fleet = "apiVersion: holdfast/v1\nkind: Fleet\nmetadata: {name: payments}\n";

    let (code, error) = apply(&format!("{fleet}---\nkind: [Policy\n"));
    assert_eq!(
        (code, &error["code"]),
        (4, &Value::from("invalid_yaml")),
        "{error}"
    );

    let policy = "apiVersion: holdfast/v1\nkind: Policy\nmetadata: {name: gold}\n\
                  spec: {selector: {}, repository: eu, wal: {flushEvery: soon}}\n";
    let (code, error) = apply(&format!("{fleet}---\n{policy}"));
    assert_eq!(code, 4, "{error}");
    let field = error["field"].as_str().expect("a field");
    assert!(field.ends_with("spec.wal.flushEvery"), "{error}");
    assert_eq!(
        cli.refused(3, ["get", "fleet", "payments"])["code"],
        "not_found"
    );

    let dangling = policy.replace("soon", "5s");
    let (code, error) = apply(&dangling);
    assert_eq!(
        (code, &error["code"]),
        (4, &Value::from("dangling_reference")),
        "{error}"
    );

    let later = dangling.replace("wal: {flushEvery: 5s}", "wal: {durability: spool}");
    let (code, error) = apply(&later);
    assert_eq!(
        (code, &error["code"]),
        (4, &Value::from("not_supported_yet")),
        "{error}"
    );

    assert!(cli.apply(fleet).contains("fleet/payments created"));
    assert!(cli.apply(fleet).contains("fleet/payments unchanged"));
    let audit = cli.json(["audit", "list"]);
    assert!(
        audit["items"]
            .as_array()
            .is_some_and(|items| !items.is_empty()),
        "{audit}"
    );
}

#[test]
fn nobody_gets_in_without_a_right_to() {
    let scratch = Scratch::new();
    let node = ControlPlane::bootstrap(scratch.path());
    let stranger = Cli::new(node.rest(), &scratch.path().join("stranger.toml"));
    assert_eq!(stranger.refused(1, ["status"])["code"], "not_logged_in");
    let wrong = stranger.run_with_input(
        ["login", "--user", "admin", "--password-stdin", "-o", "json"],
        "wrong",
    );
    assert_eq!(wrong.code, 1, "{}", wrong.stderr);
    assert!(
        !wrong.stderr.contains("hunter22"),
        "the password is shown: {}",
        wrong.stderr
    );
    assert_eq!(
        stranger.refused(1, ["status", "--token", "hft1.x.y"])["code"],
        "unauthenticated"
    );

    let cli = node.cli();
    let made = cli.json(["token", "create", "ci"]);
    let token = made["token"].as_str().expect("a token");
    assert_eq!(
        stranger.json(["status", "--token", token])["node"]["state"],
        "leader"
    );
    let ran = cli.run(["token", "revoke", "ci"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(
        stranger.refused(1, ["status", "--token", token])["code"],
        "unauthenticated"
    );
}

#[test]
fn a_mistyped_path_founds_no_second_control_plane() {
    let scratch = Scratch::new();
    let mut command = std::process::Command::new(holdfast_tests::programs::program("holdfastd"));
    let data = scratch.path().join("typo");
    let output = command
        .arg("run")
        .arg("--data")
        .arg(&data)
        .output()
        .expect("holdfastd starts");
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("--bootstrap"), "{said}");
}
