//! How long it takes to write and sign a report.
//!
//! `cargo run --release -p holdfast-report --features render --example year -- 500 365`
//! prints one line of JSON: clusters, days, and for each format seconds and bytes. With
//! a folder as third argument it leaves the files there.

use std::time::Instant;

use holdfast_report::{Format, body, document, seal, verify};

#[path = "../tests/documents/fleet.rs"]
mod fleet;
#[path = "../tests/documents/keys.rs"]
mod keys;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default| match arguments.next() {
        Some(text) => text.parse().expect("a number"),
        None => default,
    };
    let (clusters, days) = (number(500), number(365));
    let folder = arguments.next();
    let report = fleet::report(clusters, days);
    let ca = keys::Ca::new();
    let signer = ca.signer();
    let now = "2026-12-01T00:00:00Z".parse().expect("a time");
    let mut said = Vec::new();
    for format in [Format::Json, Format::Csv, Format::Pdf] {
        let began = Instant::now();
        let body = body(&report).expect("a body");
        let document = document(&report, body, format).expect("a document");
        let file = seal::seal(format, &document, &signer.sign(&document));
        let took = began.elapsed().as_secs_f64();
        verify(&file, Some(&ca.certificate), now).expect("its signature fits");
        said.push(format!(
            "\"{format}\": {{\"seconds\": {took:.3}, \"bytes\": {}}}",
            file.len()
        ));
        if let Some(folder) = &folder {
            std::fs::write(format!("{folder}/report.{format}"), file).expect("the file is written");
        }
        assert!(took < 5.0, "{format} is too slow");
    }
    println!(
        "{{\"clusters\": {clusters}, \"days\": {days}, {}}}",
        said.join(", ")
    );
}
