//! Reports: made of what was known at a moment, recorded, signed.

mod lists;

use std::collections::BTreeSet;

use futures_util::{StreamExt, stream};
use holdfast_compliance::{Period, PeriodResult};
use holdfast_consensus::{ProposeContext, StateView};
use holdfast_report::{Format, Report, Signer, Subject, Totals, VERSION};
use holdfast_state::command::{CreateReportKey, RecordReport, RecordedReport, SealReport};
use holdfast_state::query::{self, Page, PageRequest, ReportFilter, ResourceFilter};
use holdfast_state::{Digest, Sealed, schema};
use holdfast_types::access::{Permission, Place};
use holdfast_types::resource::{Kind, Labels};
use holdfast_types::{Name, ReportId};
use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::App;
use super::backup::refuse_below;
use super::caller::Caller;
use super::error::{AppError, Result};
use crate::plan::report::{self as plan, Asked};
use crate::secure::Purpose;

/// A report that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = ReportRequest)]
pub struct WantedReport {
    /// Of which fleet.
    #[schema(value_type = String)]
    pub fleet: Name,
    /// The period's first moment.
    pub from: Timestamp,
    /// The moment after its last; two minutes before `asKnownAt` when it is not said, for
    /// what agents say takes its time to be known.
    #[serde(default)]
    pub to: Option<Timestamp>,
    /// What was known by then counts; the last whole second when it is not said. Asked
    /// again as known at the same moment, the report has the same bytes.
    #[serde(default)]
    pub as_known_at: Option<Timestamp>,
    /// What it is written as: `json`, `csv` or `pdf`; json when it is not said.
    #[serde(default = "json")]
    #[schema(value_type = String, example = "pdf")]
    pub format: Format,
}

const fn json() -> Format {
    Format::Json
}

/// A report with its signature.
#[derive(Debug)]
pub struct MadeReport {
    /// Its id.
    pub id: ReportId,
    /// Of which fleet.
    pub fleet: Name,
    /// What it is written as.
    pub format: Format,
    /// As known when.
    pub as_known_at: Timestamp,
    /// SHA-256 of its body.
    pub body: Digest,
    /// The file.
    pub file: Vec<u8>,
}

/// A report that was made.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MadeReport)]
pub struct ReportView {
    /// Its id.
    #[schema(value_type = String)]
    pub id: ReportId,
    /// Of which fleet.
    #[schema(value_type = String)]
    pub fleet: Name,
    /// The period's first moment.
    pub from: Timestamp,
    /// The moment after its last.
    pub to: Timestamp,
    /// What was known by then is in it.
    pub as_known_at: Timestamp,
    /// Who made it: `user:ada`.
    pub made_by: Option<String>,
    /// When.
    pub made_at: Timestamp,
    /// SHA-256 of its body, hexadecimal; null when nothing came out.
    pub body_sha256: Option<String>,
}

impl From<query::ReportView> for ReportView {
    fn from(found: query::ReportView) -> Self {
        Self {
            id: found.id,
            fleet: found.fleet,
            from: found.from,
            to: found.to,
            as_known_at: found.as_known_at,
            made_by: found.made_by.map(|by| by.to_string()),
            made_at: found.made_at,
            body_sha256: found.body.map(|hash| hash.to_string()),
        }
    }
}

/// A key that signs reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ReportKey)]
pub struct ReportKeyView {
    /// Its id: the serial number of its certificate, hexadecimal.
    pub id: String,
    /// Its certificate, PEM.
    pub certificate: String,
    /// The certificate of the CA that made it, PEM.
    pub ca_certificate: String,
    /// Since when it signs.
    pub created_at: Timestamp,
}

/// How many clusters are read with one statement.
const AT_ONCE: usize = 8;
/// While one such part is judged, the next is read.
const IN_FLIGHT: usize = 3;

impl App {
    /// The keys that sign reports: what a signature is compared with.
    pub async fn report_keys(&self, by: &Caller) -> Result<Page<ReportKeyView>> {
        let view = self.read(by).await?;
        let found = query::report_keys(view.connection()).await?;
        let key = |key: query::ReportKeyView| ReportKeyView {
            id: key.id,
            certificate: key.certificate,
            ca_certificate: self.authority.certificate_pem().to_owned(),
            created_at: key.created_at,
        };
        Ok(Page {
            items: found.into_iter().map(key).collect(),
            next_cursor: None,
        })
    }

    /// Reports that were made, the latest first.
    pub async fn reports(
        &self,
        by: &Caller,
        fleet: Option<Name>,
        page: &PageRequest,
    ) -> Result<Page<ReportView>> {
        let view = self.read(by).await?;
        let fleets = match fleet {
            Some(fleet) => {
                self.demand_fleet(&view, by, &fleet).await?;
                Some(vec![fleet])
            }
            None => self.fleets_to_report(&view, by).await?,
        };
        let filter = ReportFilter { fleets };
        let found = query::reports(view.connection(), &filter, page).await?;
        Ok(found.map(ReportView::from))
    }

    /// Makes a report, which is recorded with who made it and its hash. Nothing that
    /// becomes known after this can change it.
    pub async fn make_report(&self, by: &Caller, wanted: WantedReport) -> Result<MadeReport> {
        let view = self.node.read().await?;
        self.demand_fleet(&view, by, &wanted.fleet).await?;
        refuse_below(&view, schema::REPORTS).await?;
        let signer = self.report_signer(by, &view).await?;
        let command = RecordReport {
            report: ReportId::from_uuid(Uuid::now_v7()),
            fleet: wanted.fleet.clone(),
            from: wanted.from,
            to: wanted.to,
            as_known_at: wanted.as_known_at,
        };
        let recorded = self.propose(by, command).await?;
        // With what was recorded just now, and maybe more, which is not known yet.
        let view = self.node.read().await?;
        let report = self
            .gather(&view, (wanted.fleet.clone(), wanted.from), &recorded)
            .await?;
        let format = wanted.format;
        let written = tokio::task::spawn_blocking(move || write(&report, format, &signer));
        let (body, document, file) = written.await.map_err(AppError::internal)??;
        let sealed = SealReport {
            report: recorded.report,
            format: format.to_string(),
            body,
            document,
        };
        self.propose_as(self.context_of(by), sealed).await?;
        Ok(MadeReport {
            id: recorded.report,
            fleet: wanted.fleet,
            format,
            as_known_at: recorded.as_known_at,
            body,
            file,
        })
    }

    /// In the name of the caller, without the key of its request: that is another
    /// command's.
    fn context_of(&self, by: &Caller) -> ProposeContext {
        ProposeContext {
            traceparent: by.traceparent.clone(),
            ..ProposeContext::caused_by(by.cause())
        }
    }

    /// The fleets that the caller may see reports of; `None` is all.
    async fn fleets_to_report(&self, view: &StateView, by: &Caller) -> Result<Option<Vec<Name>>> {
        let rights = self.rights(view, by).await?;
        let all = |permission| rights.everywhere(permission);
        if all(Permission::ClustersRead) && all(Permission::AuditRead) {
            return Ok(None);
        }
        let (filter, mut request) = (ResourceFilter::default(), PageRequest::longest());
        let mut fleets = Vec::new();
        loop {
            let page = query::resources(view.connection(), Kind::Fleet, &filter, &request).await?;
            fleets.extend(page.items.iter().map(|fleet| fleet.name().clone()));
            match page.next_cursor {
                Some(cursor) => request.cursor = Some(cursor),
                None => break,
            }
        }
        let labels = Labels::default();
        fleets.retain(|fleet| {
            let place = Place {
                fleet,
                labels: &labels,
            };
            rights.at(Permission::ClustersRead, place) && rights.at(Permission::AuditRead, place)
        });
        Ok(Some(fleets))
    }

    /// Refuses a caller who may not read all of a fleet and what was done to it.
    async fn demand_fleet(&self, view: &StateView, by: &Caller, fleet: &Name) -> Result<()> {
        let rights = self.rights(view, by).await?;
        let labels = Labels::default();
        let place = Place {
            fleet,
            labels: &labels,
        };
        let may =
            rights.at(Permission::ClustersRead, place) && rights.at(Permission::AuditRead, place);
        let found = query::resource(view.connection(), Kind::Fleet, fleet).await?;
        if !may || found.is_none() {
            return Err(AppError::not_found("fleet", fleet).with_field("fleet"));
        }
        Ok(())
    }

    /// What signs reports; made when there is none yet.
    async fn report_signer(&self, by: &Caller, view: &StateView) -> Result<Signer> {
        let keys = query::report_keys(view.connection()).await?;
        let key = match keys.into_iter().next() {
            Some(key) => key,
            None => {
                let (issued, pkcs8) = self
                    .authority
                    .issue_reports(Timestamp::now())
                    .map_err(AppError::internal)?;
                let sealed: Sealed = self
                    .sealer
                    .seal(&Purpose::ReportKey(&issued.serial), &pkcs8)
                    .map_err(AppError::internal)?;
                let command = CreateReportKey {
                    id: issued.serial,
                    certificate: issued.certificate_pem,
                    sealed,
                };
                self.propose_as(self.context_of(by), command).await?;
                let view = self.node.read().await?;
                let keys = query::report_keys(view.connection()).await?;
                let first = keys.into_iter().next();
                first.ok_or_else(|| AppError::internal("a key that was made is not there"))?
            }
        };
        let pkcs8 = self
            .sealer
            .unseal(&Purpose::ReportKey(&key.id), &key.sealed)
            .map_err(AppError::internal)?;
        let certificate = CertificateDer::from_pem_slice(key.certificate.as_bytes())
            .map_err(|error| AppError::internal(error.to_string()))?;
        Signer::new(&pkcs8, certificate.to_vec()).map_err(AppError::internal)
    }

    /// All that the report says.
    async fn gather(
        &self,
        view: &StateView,
        (fleet, from): (Name, Timestamp),
        recorded: &RecordedReport,
    ) -> Result<Report> {
        let asked = Asked {
            period: Period {
                from: micros(from),
                until: recorded.to,
            },
            known: recorded.as_known_at,
        };
        let (mut clusters, mut numbers) = (Vec::new(), PeriodResult::default());
        let parts = recorded.clusters.chunks(AT_ONCE).map(<[_]>::to_vec);
        let parts: Vec<Vec<Name>> = parts.collect();
        let parts = stream::iter(parts);
        let parts = parts.map(|some: Vec<Name>| clusters_in_report(view, some, asked));
        let mut parts = std::pin::pin!(parts.buffered(IN_FLIGHT));
        while let Some(part) = parts.next().await {
            for (found, of_it) in part? {
                numbers.merge(PeriodResult {
                    violations: Vec::new(),
                    ..of_it
                });
                clusters.push(found);
            }
        }
        let restores = lists::restores_of(view, &recorded.clusters, asked).await?;
        let members: BTreeSet<&Name> = recorded.clusters.iter().collect();
        let drills = lists::drills_of(view, &members, asked).await?;
        let exposure = plan::exposures(&numbers);
        Ok(Report {
            report: Subject::Compliance,
            version: VERSION,
            fleet,
            from: asked.period.from,
            to: asked.period.until,
            as_known_at: asked.known,
            totals: Totals::of(&clusters, &drills, &restores, exposure),
            clusters,
            exemptions: lists::exemptions_of(view, &members, asked).await?,
            drills,
            restores,
            deletions: lists::deletions_of(view, &members, asked).await?,
            approvals: lists::approvals_of(view, &members, asked).await?,
            acknowledgements: lists::acknowledgements_of(view, &members, asked).await?,
        })
    }
}

/// What is said of these clusters, with the numbers that are added up.
async fn clusters_in_report(
    view: &StateView,
    clusters: Vec<Name>,
    asked: Asked,
) -> Result<Vec<(holdfast_report::Cluster, PeriodResult)>> {
    let conn = view.connection();
    let pasts = query::pasts(conn, &clusters).await?;
    let failed = query::failed_backups(conn, &clusters, lists::until(asked)).await?;
    let told = tokio::task::spawn_blocking(move || {
        let mut told = Vec::with_capacity(pasts.len());
        for text in &pasts {
            let past = text.read()?;
            let failed = failed.iter().filter(|one| one.cluster == text.cluster);
            let failed: Vec<&query::BackupView> = failed.collect();
            let (facts, history) = (&past.facts, past.history());
            told.extend(plan::cluster(
                &text.cluster,
                facts,
                &history,
                &failed,
                asked,
            ));
        }
        Ok::<_, AppError>(told)
    });
    told.await.map_err(AppError::internal)?
}

/// To the microsecond, as all times are that are kept.
fn micros(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}

/// The hashes of body and document, and the file.
fn write(report: &Report, format: Format, signer: &Signer) -> Result<(Digest, Digest, Vec<u8>)> {
    let body = holdfast_report::body(report).map_err(AppError::internal)?;
    let hash = Digest::of(&body);
    let document = holdfast_report::document(report, body, format).map_err(AppError::internal)?;
    Ok((hash, Digest::of(&document), signer.seal(format, &document)))
}
