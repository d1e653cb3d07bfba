//! PDF, read back by programs of others: poppler and qpdf.

use std::process::Command;

use holdfast_report::{Format, body, document, seal};

use crate::fleet;
use crate::keys::Ca;

/// The output of a program; `deploy/dev/install test` installs it.
fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output
        .unwrap_or_else(|error| panic!("{program}: {error}; deploy/dev/install test installs it"));
    let (out, err) = (&output.stdout, String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program}: {err}");
    assert!(err.is_empty(), "{program} warns: {err}");
    String::from_utf8_lossy(out).into_owned()
}

#[test]
fn a_signed_pdf_is_sound_and_says_what_the_report_says() {
    let report = fleet::report(4, 90);
    let hash = seal::sha256(&body(&report).unwrap());
    let document = document(&report, body(&report).unwrap(), Format::Pdf).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.pdf");
    std::fs::write(&path, Ca::new().signer().seal(Format::Pdf, &document)).unwrap();
    let path = path.to_str().unwrap();

    let checked = run("qpdf", &["--check", path]);
    assert!(
        checked.contains("No syntax or stream encoding errors found"),
        "{checked}"
    );
    let fonts = run("pdffonts", &[path]);
    let rows: Vec<&str> = fonts.lines().skip(2).collect();
    assert_eq!(rows.len(), 2, "{fonts}");
    for row in rows {
        // Embedded, a subset, and its text can be copied.
        assert!(
            row.contains("LiberationSans") && row.contains("yes yes yes"),
            "{fonts}"
        );
    }
    let info = run("pdfinfo", &[path]);
    assert!(
        info.contains("Compliance of fleet payments, 2026-01-01 to 2026-04-01"),
        "{info}"
    );
    assert!(info.contains("595.28 x 841.89 pts (A4)"), "{info}");
    let pages = info
        .lines()
        .find_map(|line| line.strip_prefix("Pages:"))
        .unwrap()
        .trim();

    let text = run("pdftotext", &["-layout", path, "-"]);
    for said in [
        "Compliance report",
        &hash,
        "orders-3",
        "PG_RESTORE_TIME_MEETS_TARGET",
        "repository_unreachable",
        "Umzug des Rechenzentrums",
        "[U+4E2D][U+6587]",
        "[U+202E]evil",
        "2026-03-31 23:59:56",
        &format!("Page {pages} of {pages}"),
    ] {
        let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let apart = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(joined.contains(&apart), "{said:?} is missing in\n{text}");
    }
    assert_eq!(
        text.matches(&hash).count(),
        pages.parse::<usize>().unwrap() + 1
    );
}

#[test]
fn titles_of_a_table_stand_on_every_page_that_it_reaches() {
    let report = fleet::report(130, 7);
    let document = document(&report, body(&report).unwrap(), Format::Pdf).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.pdf");
    std::fs::write(&path, &document).unwrap();
    let text = run("pdftotext", &["-layout", path.to_str().unwrap(), "-"]);
    let pages: Vec<&str> = text.split('\u{c}').collect();
    let listed = pages.iter().filter(|page| {
        page.lines()
            .filter(|line| line.trim_start().starts_with("orders-"))
            .count()
            > 20
    });
    let listed: Vec<&&str> = listed.collect();
    assert!(
        listed.len() >= 2,
        "the list of clusters is too short to tell"
    );
    assert!(listed.iter().all(|page| page.contains("Above RPO for")));
}

#[test]
fn a_fleet_without_clusters_has_a_report_too() {
    let report = fleet::report(0, 30);
    let document = document(&report, body(&report).unwrap(), Format::Pdf).unwrap();
    assert!(document.starts_with(b"%PDF-") && document.ends_with(b"%%EOF\n"));
}
