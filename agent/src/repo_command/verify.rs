//! `repo verify`.

use std::process::ExitCode;
use std::sync::Arc;

use holdfast_repo::{VerifyOptions, VerifyProgress};

use super::VerifyArgs;
use super::open::failed;
use super::output::{print_json, print_text, size};
use crate::command_error::CommandError;

/// Verifies; findings are exit code 1.
pub(super) async fn run(args: &VerifyArgs) -> Result<ExitCode, CommandError> {
    let repository = args.place.open().await?;
    let options = VerifyOptions {
        deep: args.deep,
        cluster: args.cluster.clone(),
        ..VerifyOptions::default()
    };
    let progress = Arc::new(VerifyProgress::default());
    let report = repository
        .verify(&options, &progress)
        .await
        .map_err(|error| failed(&error))?;
    if args.place.is_json() {
        print_json(&report)?;
    } else {
        for finding in &report.findings {
            print_text(&format!("{}: {}", finding.object, finding.problem))?;
            for lost in &finding.lost {
                print_text(&format!(
                    "  lost: timeline {}, {} to {}",
                    lost.timeline, lost.from_lsn, lost.to_lsn
                ))?;
            }
        }
        let found = report.findings.len();
        print_text(&format!(
            "{found} findings in {} objects, {} read",
            progress.objects(),
            size(progress.bytes())
        ))?;
    }
    Ok(if report.findings.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
