//! A violation of a real cluster in a report of each format, verified by the program that
//! an auditor has.

use std::fs;
use std::path::Path;

use holdfast_pg::testkit::major;
use holdfast_tests::fleet::{Fleet, LONG};
use holdfast_tests::store::Store;
use holdfast_tests::until::until;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::compliance::{Cut, is, promise};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Makes a report into a file.
fn make(fleet: &Fleet, arguments: &[&str], format: &str, file: &Path) {
    let most = ["report", "compliance", "--fleet", "default", "-o", format];
    let out = ["--out", text(file)];
    let all: Vec<&str> = most.iter().chain(arguments).chain(&out).copied().collect();
    let ran = fleet.cli.run(&all);
    assert_eq!(ran.code, 0, "{all:?}: {}", ran.stderr);
    assert_eq!(ran.stdout, "");
}

/// The violation of `orders` that is over.
fn ended(fleet: &Fleet) -> Value {
    until("the end of the violation", LONG, || {
        let found = fleet.cli.json(["compliance", "violations", "orders"]);
        let found = found["items"].as_array()?.iter();
        let mut found = found.filter(|one| !one["endedAt"].is_null());
        found.next_back().cloned()
    })
}

#[test]
fn a_violation_is_in_every_format_and_a_changed_byte_is_noticed() {
    let fleet = Fleet::start(&major(18), Store::directory);
    promise(&fleet, "8s");
    fleet.backup();
    is(&fleet, "COMPLIANT");
    let from = Timestamp::now().to_string();
    let cut = Cut::of(fleet.store.folder());
    fleet.postgres.psql("CREATE TABLE lost ()");
    is(&fleet, "VIOLATED");
    cut.heal();
    is(&fleet, "COMPLIANT");
    let violation = ended(&fleet);
    let end: Timestamp = violation["endedAt"].as_str().unwrap().parse().unwrap();
    let to = (end + SignedDuration::from_secs(1)).to_string();
    // What the agent said of its end is in the log by then.
    until("the end to be on record", LONG, || {
        let asked = ["--from", &from, "--to", &to, "-o", "json"];
        let most = ["report", "compliance", "--fleet", "default"];
        let ran = fleet.cli.run(most.iter().chain(&asked));
        // The period may not be over yet.
        let file: Value = serde_json::from_str(&ran.stdout).ok()?;
        let found = &file["report"]["clusters"][0]["violations"][0];
        (found["endedAt"] == violation["endedAt"]).then_some(())
    });

    let ca = fleet.control_plane.ca();
    let verify = |file: &Path| {
        let ca = text(&ca);
        fleet
            .cli
            .run(["report", "verify", text(file), "--ca", ca, "-o", "json"])
    };
    let folder = fleet.scratch.path();
    let known = {
        let listed = fleet.cli.json(["report", "list", "--fleet", "default"]);
        listed["items"][0]["asKnownAt"].as_str().unwrap().to_owned()
    };
    let asked = ["--from", &from, "--to", &to, "--as-known-at", &known];
    for format in ["json", "csv", "pdf"] {
        let file = folder.join(format!("report.{format}"));
        make(&fleet, &asked, format, &file);
        let ran = verify(&file);
        assert_eq!(ran.code, 0, "{format}: {}{}", ran.stdout, ran.stderr);
        let said: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(said["verified"], true);
        assert_eq!(
            (&said["format"], &said["ca"]),
            (&json!(format), &json!("Holdfast CA"))
        );
        // Made again it is the same.
        let again = folder.join(format!("again.{format}"));
        make(&fleet, &asked, format, &again);
        assert!(
            fs::read(&file).unwrap() == fs::read(&again).unwrap(),
            "{format}"
        );
        changed(&verify, &file, format);
        let ran = fleet.cli.run(["report", "verify", text(&file)]);
        assert_eq!(ran.code, 1, "{format}");
        assert!(
            ran.stdout.contains("whose it is was not checked"),
            "{}",
            ran.stdout
        );
    }
    said_by(folder, &violation);
    usage(&fleet, &from);
}

fn changed(verify: &dyn Fn(&Path) -> holdfast_tests::cli::Ran, file: &Path, format: &str) {
    let whole = fs::read(file).unwrap();
    for part in [0, 1, 2, 3, 4, 5, 6, 7, 8] {
        let mut bytes = whole.clone();
        let place = (bytes.len() - 1) * part / 8;
        bytes[place] ^= 1;
        let other = file.with_extension("changed");
        fs::write(&other, bytes).unwrap();
        let ran = verify(&other);
        assert_eq!(ran.code, 1, "{format}, byte {place}: {}", ran.stdout);
        let failure: Value = serde_json::from_str(&ran.stderr).unwrap();
        let code = failure["code"].as_str().unwrap();
        assert!(code.starts_with("report_"), "{failure}");
    }
}

/// The start, the end and the cause of the violation are in all three.
fn said_by(folder: &Path, violation: &Value) {
    let (start, end) = (
        violation["startedAt"].as_str().unwrap(),
        violation["endedAt"].as_str().unwrap(),
    );
    let cause = violation["cause"].as_str().unwrap();
    let file = fs::read(folder.join("report.json")).unwrap();
    let file: Value = serde_json::from_slice(&file).unwrap();
    let said = &file["report"]["clusters"][0]["violations"][0];
    assert_eq!(
        (&said["startedAt"], &said["endedAt"], &said["cause"]),
        (&json!(start), &json!(end), &json!(cause))
    );
    let csv = fs::read_to_string(folder.join("report.csv")).unwrap();
    let row = format!("violation,orders,{start},{end},8,any,{cause},");
    assert!(csv.contains(&row), "{row} is not in\n{csv}");
    let pdf = std::process::Command::new("pdftotext")
        .args(["-layout", text(&folder.join("report.pdf")), "-"])
        .output()
        .unwrap();
    let pdf = String::from_utf8(pdf.stdout).unwrap();
    // To the second, and below it.
    let shown = start.replace('T', " ");
    assert!(pdf.contains(&shown[..19]) && pdf.contains(cause), "{pdf}");
}

fn usage(fleet: &Fleet, from: &str) {
    for (arguments, code) in [
        (
            vec!["report", "compliance", "--fleet", "default", "--from", from],
            2,
        ),
        (
            vec![
                "report",
                "compliance",
                "--fleet",
                "default",
                "--from",
                "soon",
                "-o",
                "csv",
            ],
            2,
        ),
        (
            vec![
                "report",
                "compliance",
                "--fleet",
                "nowhere",
                "--from",
                from,
                "-o",
                "csv",
            ],
            3,
        ),
        (vec!["report", "verify", "/nowhere/report.pdf"], 1),
        (vec!["status", "-o", "pdf"], 2),
    ] {
        let ran = fleet.cli.run(&arguments);
        assert_eq!(ran.code, code, "{arguments:?}: {}", ran.stderr);
        assert_eq!(ran.stdout, "");
    }
}
