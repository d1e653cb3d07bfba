//! What nobody does alone, as its people do it: with the CLI.

use holdfast_tests::cli::Cli;
use holdfast_tests::control_plane::ControlPlane;
use holdfast_tests::scratch::Scratch;
use serde_json::Value;

const PASSWORD: &str = "a long password";

fn policy(pitr: &str) -> String {
    format!(
        "apiVersion: holdfast/v1\n\
         kind: Policy\n\
         metadata: {{name: gold}}\n\
         spec:\n\
         \x20 selector: {{}}\n\
         \x20 repository: eu\n\
         \x20 retention: {{keep: {{last: 2}}, pitr: {pitr}}}\n\
         \x20 approvals: {{shortenRetention: 2}}\n"
    )
}

/// Somebody with a role, logged in with a CLI of his own.
fn person(node: &ControlPlane, scratch: &Scratch, (name, role): (&str, &str)) -> Cli {
    let admin = node.cli();
    let made = admin.run_with_input(["user", "create", name, "--password-stdin"], PASSWORD);
    assert_eq!(made.code, 0, "{}", made.stderr);
    admin.apply(&format!(
        "apiVersion: holdfast/v1\n\
         kind: RoleBinding\n\
         metadata: {{name: {name}}}\n\
         spec: {{role: {role}, subjects: [{{user: {name}}}], scope: {{selector: {{}}}}}}\n"
    ));
    let config = scratch.path().join(format!("{name}.toml"));
    let cli = Cli::new(node.rest(), &config);
    cli.login(name, PASSWORD);
    cli
}

fn pitr(cli: &Cli) -> Value {
    cli.json(["get", "policy", "gold"])["spec"]["retention"]["pitr"].clone()
}

#[test]
fn retention_is_shortened_by_three_people() {
    let scratch = Scratch::new();
    let node = ControlPlane::bootstrap(scratch.path());
    let admin = node.cli();
    admin.apply(
        "apiVersion: holdfast/v1\nkind: Repository\nmetadata: {name: eu}\n\
         spec: {url: file:///srv/holdfast}\n",
    );
    admin.apply(&policy("14d"));
    let ada = person(&node, &scratch, ("ada", "operator"));
    let bob = person(&node, &scratch, ("bob", "approver"));
    let eve = person(&node, &scratch, ("eve", "approver"));

    let file = scratch.path().join("shorter.yaml");
    std::fs::write(&file, policy("7d")).expect("a file is written");
    let file = file.to_str().expect("its path is text");
    // What it would wait for is said before anybody is asked.
    let ran = ada.run(["apply", "-f", file, "--dry-run"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let said = "! 2 others must consent first:\n  policy \"gold\": pitr goes from 2w to 1w";
    assert!(ran.stdout.contains(said), "{}", ran.stdout);
    let waiting = bob.json(["approval", "list"]);
    assert_eq!(waiting["items"].as_array().map(Vec::len), Some(0));
    let apply = ["apply", "-f", file, "--because", "für den Plattenplatz"];
    let waits = ada.refused(4, apply);
    assert_eq!(waits["code"], "approval_pending", "{waits}");
    let id = waits["approval"].as_str().expect("a request").to_owned();
    assert_eq!(ada.refused(4, apply)["approval"], id.as_str());
    assert_eq!(pitr(&admin), "2w");

    let listed = bob.json(["approval", "list", "--state", "pending"]);
    assert_eq!(listed["items"][0]["id"], id.as_str());
    assert_eq!(listed["items"][0]["reason"], "für den Plattenplatz");
    let shown = bob.json(["approval", "show", &id]);
    assert_eq!(shown["action"], "apply_documents");
    // Operators act, and do not consent; approvers the other way round.
    let refused = ada.refused(1, ["approval", "approve", &id]);
    assert_eq!(refused["code"], "forbidden");
    let refused = bob.refused(1, ["apply", "-f", file]);
    assert_eq!(refused["code"], "forbidden");

    let voted = bob.json(["approval", "approve", &id, "--note", "seen"]);
    assert_eq!(
        (&voted["state"], &voted["approved"]),
        (&"pending".into(), &1.into())
    );
    let refused = bob.refused(4, ["approval", "approve", &id]);
    assert_eq!(refused["code"], "voted_already");
    let ran = eve.run(["approval", "approve", &id]);
    assert_eq!(
        (ran.code, ran.stdout.trim()),
        (0, &*format!("{id}: apply_documents is done"))
    );
    assert_eq!(pitr(&admin), "1w");
    let refused = eve.refused(4, ["approval", "reject", &id]);
    assert_eq!(refused["code"], "approval_state");

    let roles = ada.json(["role", "list"]);
    assert_eq!(roles["items"].as_array().map(Vec::len), Some(4));
    let mine = ada.json(["role", "list", "--mine"]);
    assert_eq!(mine["items"][0]["role"], "operator");
    let bindings = admin.json(["get", "role-bindings"]);
    assert_eq!(bindings["items"].as_array().map(Vec::len), Some(4));
    let ran = admin.run(["get", "role-bindings"]);
    assert!(ran.stdout.contains("everything"), "{}", ran.stdout);
}
