//! JSON and CSV to the letter. `HOLDFAST_WRITE_GOLDEN=1` writes what is not there.

use std::path::PathBuf;

use holdfast_report::{Format, Report, body, document, seal};

use crate::fleet;

fn golden(name: &str, found: &[u8]) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/documents/golden")
        .join(name);
    if !path.exists() && std::env::var_os("HOLDFAST_WRITE_GOLDEN").is_some() {
        std::fs::write(&path, found).unwrap();
    }
    let kept = std::fs::read(&path).unwrap();
    assert!(
        kept == found,
        "{name} is not what it was: version {} is not to change",
        holdfast_report::VERSION
    );
}

#[test]
fn the_body_is_what_it_was() {
    let report = fleet::report(3, 9);
    golden("compliance.2.json", &body(&report).unwrap());
}

#[test]
fn the_csv_is_what_it_was() {
    let report = fleet::report(3, 9);
    let csv = document(&report, body(&report).unwrap(), Format::Csv).unwrap();
    golden("compliance.2.csv", &csv);
}

#[test]
fn a_body_of_an_earlier_version_reads() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/documents/golden");
    let body = std::fs::read(path.join("compliance.1.json")).unwrap();
    let report: Report = serde_json::from_slice(&body).unwrap();
    assert_eq!(report.version, 1);
    assert!(report.acknowledgements.is_empty());
    assert!(report.restores.iter().all(|one| one.evidence.is_none()));
}

#[test]
fn a_body_reads_back() {
    let report = fleet::report(9, 40);
    let body = body(&report).unwrap();
    let read: Report = serde_json::from_slice(&body).unwrap();
    assert_eq!(read, report);
    assert_eq!(holdfast_report::body(&read).unwrap(), body);
}

#[test]
fn the_same_report_has_the_same_bytes_in_every_format() {
    for format in [Format::Json, Format::Csv, Format::Pdf] {
        let made = || {
            let report = fleet::report(5, 30);
            document(&report, body(&report).unwrap(), format).unwrap()
        };
        assert!(made() == made(), "{format}");
    }
}

#[test]
fn every_row_of_the_csv_is_equally_wide_and_nothing_in_it_is_executed() {
    let report = fleet::report(9, 40);
    let body = body(&report).unwrap();
    let hash = seal::sha256(&body);
    let csv = document(&report, body, Format::Csv).unwrap();
    let text = String::from_utf8(csv).unwrap();
    assert!(text.contains(&hash));
    let rows = rows(&text);
    let width = rows[0].len();
    assert!(rows.iter().all(|row| row.len() == width));
    let cells = rows.iter().flatten();
    assert!(
        cells
            .clone()
            .all(|cell| !cell.starts_with(['=', '+', '-', '@']))
    );
    assert!(cells.clone().any(|cell| cell == "'=cmd|' /C calc'!A0"));
    assert!(
        cells
            .clone()
            .any(|cell| cell.contains("\"Größe\" der Leitung, 中文"))
    );
    let of = |section: &str| rows.iter().filter(|row| row[0] == section).count();
    assert_eq!((of("cluster"), of("exposure")), (9, 9 * 40));
    assert_eq!(
        of("violation"),
        report
            .clusters
            .iter()
            .map(|one| one.violations.len())
            .sum::<usize>()
    );
}

/// RFC 4180, read by the letter.
fn rows(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '"' if quoted && chars.peek() == Some(&'"') => cell.extend(chars.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !quoted => {
                assert_eq!(chars.next(), Some('\n'));
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            char => cell.push(char),
        }
    }
    assert!(cell.is_empty() && row.is_empty() && !quoted);
    rows
}
