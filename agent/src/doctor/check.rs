//! One visit to one instance.

use std::path::{Path, PathBuf};

use holdfast_pg::replication::Client;
use holdfast_pg::sql::{self, Session};
use holdfast_pg::{ConnectionInfo, Error};
use holdfast_types::resource::WalMode;

use super::settings::{self, Settings};
use super::{Diagnosis, Finding, Patient, host};
use crate::failure;
use crate::wal::archive::ArchiveSettings;

/// Checks one instance.
pub(super) async fn instance(patient: &Patient, bin_dirs: &[PathBuf]) -> Diagnosis {
    let access = &patient.access;
    let mut diagnosis = Diagnosis {
        cluster: patient.cluster.clone(),
        connection: access.connection.clone(),
        server_version: None,
        data_directory: None,
        ready: false,
        findings: Vec::new(),
    };
    match ConnectionInfo::parse(&access.connection, access.password.clone()) {
        Ok(info) => visit(&info, patient, bin_dirs, &mut diagnosis).await,
        Err(error) => diagnosis.findings.push(refused(&error)),
    }
    diagnosis.ready = diagnosis.findings.is_empty();
    diagnosis
}

async fn visit(
    info: &ConnectionInfo,
    patient: &Patient,
    bin_dirs: &[PathBuf],
    diagnosis: &mut Diagnosis,
) {
    match Session::connect(info).await {
        Ok(session) => {
            if let Err(error) = ask(&session, patient, bin_dirs, diagnosis).await {
                diagnosis.findings.push(refused(&error));
            }
        }
        Err(error) => diagnosis.findings.push(no_entry(&error, info)),
    }
    // Nobody streams where PostgreSQL's archiver hands WAL over.
    if patient.mode == Some(WalMode::Archive) {
        return;
    }
    // pg_hba.conf decides on replication connections apart from all others.
    if let Err(error) = replication(info).await
        && !known(&diagnosis.findings, &error)
    {
        diagnosis.findings.push(no_entry(&error, info));
    }
}

async fn ask(
    session: &Session,
    patient: &Patient,
    bin_dirs: &[PathBuf],
    diagnosis: &mut Diagnosis,
) -> Result<(), Error> {
    let version = session.server_version_num();
    diagnosis.server_version = u32::try_from(version).ok();
    if version < 140_000 {
        diagnosis.findings.push(Finding::new(
            "pg_version_unsupported",
            format!("PostgreSQL {} is older than 14", version / 10_000),
            ["upgrade the server: Holdfast protects PostgreSQL 14 to 18"],
        ));
    }
    let lacking = sql::lacking(session).await?;
    diagnosis.findings.extend(lacking.into_iter().map(|right| {
        let message = format!("the role lacks a right: {}", right.purpose);
        Finding::new("pg_right_missing", message, [right.statement])
    }));
    let settings = Settings::read(session).await?;
    let streams = patient.mode.is_none_or(WalMode::streams);
    diagnosis
        .findings
        .extend(settings::lacking(&settings, streams));
    if patient.mode.is_some_and(WalMode::archives) {
        diagnosis.findings.extend(archiver(session).await?);
    }
    let told = patient.access.told_directory();
    let directory = told
        .map(PathBuf::from)
        .or(settings.data_directory.map(PathBuf::from));
    diagnosis.data_directory = directory.as_ref().map(|path| path.display().to_string());
    let outside: Vec<&Path> = settings.files.iter().map(Path::new).collect();
    if !patient.access.is_remote() {
        diagnosis
            .findings
            .extend(host::access(directory.as_deref(), &outside));
    }
    let major = u32::try_from(version / 10_000).unwrap_or(0);
    diagnosis
        .findings
        .extend(host::programs(major, bin_dirs).await);
    if let (Some(expected), Some(found)) =
        (patient.access.system_identifier, settings.system_identifier)
        && expected != found
    {
        diagnosis.findings.push(Finding::new(
            "foreign_system_identifier",
            format!("this server has system identifier {found}; the one enrolled has {expected}"),
            ["correct the connection in the cluster's document, or delete the cluster and apply it anew"],
        ));
    }
    Ok(())
}

/// What keeps archive_command from handing WAL over, and what keeps it late.
async fn archiver(session: &Session) -> Result<Vec<Finding>, Error> {
    let settings = ArchiveSettings::read(session).await?;
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("holdfast-agent"));
    let found = settings.wrong(&program).into_iter().chain(settings.slow());
    let mut found: Vec<Finding> = found
        .map(|wrong| Finding::new(wrong.code, wrong.message, wrong.fix))
        .collect();
    if found.is_empty() {
        found.extend(settings.trouble(&program).map(Finding::from));
    }
    Ok(found)
}

async fn replication(info: &ConnectionInfo) -> Result<(), Error> {
    let mut client = Client::connect(info).await?;
    client.identify_system().await?;
    client.close().await;
    Ok(())
}

fn refused(error: &Error) -> Finding {
    failure::of_postgres(error).into()
}

/// A connection that fails, with statements rather than advice where the
/// reason is known.
fn no_entry(error: &Error, info: &ConnectionInfo) -> Finding {
    let mut finding = refused(error);
    if matches!(error, Error::RoleRefused { .. }) {
        // The version is not known before the role may log in; from 15 on the
        // backup functions have these names.
        finding.fix = sql::grants(150_000, info.user());
        finding.fix.push(format!(
            "ALTER ROLE \"{}\" PASSWORD '...';  -- and store it: holdfast secret set",
            info.user().replace('"', "\"\"")
        ));
    }
    finding
}

/// The same refusal twice helps nobody.
fn known(findings: &[Finding], error: &Error) -> bool {
    let same = |finding: &Finding| finding.code == error.code();
    match error {
        // Each database has its own line in pg_hba.conf.
        Error::HbaRefused { .. } => false,
        // Without the right to replicate, that is a finding already.
        Error::NotPermitted { .. } => findings
            .iter()
            .any(|finding| finding.code == "pg_right_missing"),
        _ => findings.iter().any(same),
    }
}
