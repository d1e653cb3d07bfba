//! `holdfast report`: signed reports for auditors.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use holdfast_report::{Refused, Verified, Whose};
use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};

use super::{Context, DONE, Outcome};
use crate::cli::{Global, Report};
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::format::{text, time};
use crate::output::{self, Column, Wanted};

const COLUMNS: &[Column] = &[
    ("id", |item| text(&item["id"])),
    ("fleet", |item| text(&item["fleet"])),
    ("from", |item| time(&item["from"])),
    ("to", |item| time(&item["to"])),
    ("as known at", |item| time(&item["asKnownAt"])),
    ("made by", |item| text(&item["madeBy"])),
    ("made", |item| time(&item["madeAt"])),
    ("body sha-256", |item| text(&item["bodySha256"])),
];

const KEYS: &[Column] = &[
    ("id", |item| text(&item["id"])),
    ("since", |item| time(&item["createdAt"])),
    ("certificate", |item| text(&item["certificate"])),
];

const VERIFIED: &[Column] = &[
    ("signature", |_| "fits the document".to_owned()),
    ("format", |item| text(&item["format"])),
    ("document sha-256", |item| text(&item["documentSha256"])),
    ("signer", |item| text(&item["signer"])),
    ("certificate serial", |item| text(&item["serial"])),
    ("certificate sha-256", |item| {
        text(&item["certificateSha256"])
    }),
    ("good until", |item| time(&item["validUntil"])),
    ("ca", |item| match item["ca"].as_str() {
        Some(ca) => format!("{ca} made the signer's certificate for reports"),
        None => "whose it is was not checked".to_owned(),
    }),
];

pub(super) async fn run(cx: &mut Context, wanted: Wanted, command: Report) -> Outcome {
    match command {
        Report::Compliance {
            fleet,
            from,
            to,
            as_known_at,
            out,
        } => {
            let format = format_of(wanted, out.as_deref())?;
            if format == Wanted::Pdf && out.is_none() && std::io::stdout().is_terminal() {
                let message = "a PDF is not for a terminal";
                return Err(Failure::usage(message, "give --out FILE, or redirect it"));
            }
            let now = Timestamp::now();
            let mut body = json!({
                "fleet": fleet,
                "from": from.moment(now),
                "format": format.word(),
            });
            for (field, when) in [("to", to), ("asKnownAt", as_known_at)] {
                if let Some(when) = when {
                    body[field] = json!(when.moment(now));
                }
            }
            let (headers, file) = cx.client.fetch("reports/compliance", body).await?;
            keep(out, &file)?;
            let said = |name: &str| {
                let value = headers.get(name).and_then(|value| value.to_str().ok());
                value.unwrap_or_default().to_owned()
            };
            eprintln!(
                "report {} on fleet {fleet}, as known at {}",
                said("holdfast-report"),
                said("holdfast-as-known-at")
            );
            eprintln!("SHA-256 of the body {}", said("holdfast-body-sha256"));
            DONE
        }
        Report::List { fleet } => {
            let mut query = Vec::new();
            query.extend(fleet.map(|fleet| ("fleet", fleet.to_string())));
            let body = cx.client.list("reports", &query, None).await?;
            output::list(cx.format, &body, COLUMNS)?;
            DONE
        }
        Report::Keys => {
            let body = cx.client.get("report-keys", &[]).await?;
            output::list(cx.format, &body, KEYS)?;
            DONE
        }
        Report::Verify { .. } => DONE,
    }
}

/// What the report is written as: what `-o` says, or how the file's name ends.
fn format_of(wanted: Wanted, out: Option<&Path>) -> Result<Wanted, Failure> {
    let ends = out.and_then(Path::extension).and_then(|end| end.to_str());
    match (wanted, ends) {
        (Wanted::Json | Wanted::Csv | Wanted::Pdf, _) => Ok(wanted),
        (Wanted::Table, Some("json")) => Ok(Wanted::Json),
        (Wanted::Table, Some("csv")) => Ok(Wanted::Csv),
        (Wanted::Table, Some("pdf")) => Ok(Wanted::Pdf),
        (Wanted::Table | Wanted::Yaml, _) => {
            let message = format!("a report is not written as {}", wanted.word());
            Err(Failure::usage(message, "use -o json, csv or pdf"))
        }
    }
}

fn keep(out: Option<PathBuf>, file: &[u8]) -> Result<(), Failure> {
    match out {
        Some(path) => {
            std::fs::write(&path, file).map_err(|error| Failure::file(path.display(), &error))
        }
        None => {
            let mut stdout = std::io::stdout().lock();
            let written = stdout.write_all(file).and_then(|()| stdout.flush());
            written.map_err(|error| Failure::file("standard output", &error))
        }
    }
}

/// Verifies a file by the CA that is configured.
pub(super) fn verify(global: &Global, file: &Path) -> Outcome {
    let bytes = std::fs::read(file).map_err(|error| Failure::file(file.display(), &error))?;
    let ca = Config::load(global)?.ca;
    let ca = ca.as_deref().map(read_ca).transpose()?;
    let verified = holdfast_report::verify(&bytes, ca.as_deref(), Timestamp::now());
    let verified = verified.map_err(|refused| failure(file, &refused))?;
    output::object(global.output.format(), &view(&verified), VERIFIED)?;
    match verified.whose {
        Whose::Known { .. } => DONE,
        Whose::NotChecked => {
            eprintln!("whose it is was not checked: anybody could have signed it");
            eprintln!("hint: give the control plane's CA certificate with --ca or HOLDFAST_CA");
            Ok(ExitCode::from(Exit::Failed as u8))
        }
    }
}

fn read_ca(path: &Path) -> Result<Vec<u8>, Failure> {
    let pem = std::fs::read(path).map_err(|error| Failure::file(path.display(), &error))?;
    let certificate = CertificateDer::from_pem_slice(&pem).map_err(|_| {
        let message = format!("{} is not a PEM certificate", path.display());
        Failure::usage(message, "give the control plane's ca.pem with --ca")
    })?;
    Ok(certificate.to_vec())
}

fn view(verified: &Verified) -> Value {
    let (ca, checked) = match &verified.whose {
        Whose::Known { ca } => (json!(ca), true),
        Whose::NotChecked => (Value::Null, false),
    };
    json!({
        "verified": checked,
        "format": verified.format,
        "documentSha256": verified.sha256,
        "signer": verified.signer,
        "serial": verified.serial,
        "certificateSha256": verified.fingerprint,
        "validFrom": verified.valid_from,
        "validUntil": verified.valid_until,
        "ca": ca,
    })
}

fn failure(file: &Path, refused: &Refused) -> Failure {
    let hint = match refused {
        Refused::NotAReport(_) | Refused::Altered(_) => {
            "get the file again from whoever made it; a program that opened it may have saved it \
             in another form"
        }
        Refused::UnreadableCa => "give the control plane's ca.pem with --ca",
        Refused::UnreadableCertificate | Refused::Foreign { .. } => {
            "is it of this control plane? `holdfast report keys` shows what signs here"
        }
        Refused::NotValidNow { .. } => "is the clock of this host right?",
    };
    let message = format!("{}: {refused}", file.display());
    Failure::new(Exit::Failed, refused.code(), message, hint)
}
