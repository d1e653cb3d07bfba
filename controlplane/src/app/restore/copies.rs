//! The copies that a restore may read, in their order.

use std::collections::BTreeSet;

use holdfast_consensus::StateView;
use holdfast_state::query::{self, FindingKind, PageRequest};
use holdfast_types::resource::{Kind, Policy, Resource};
use holdfast_types::restoring::CopyToRead;
use holdfast_types::{Name, RestoreTarget};

use crate::app::App;
use crate::app::code::Code;
use crate::app::error::{AppError, Result};
use crate::plan::restoring::{Copy, order_copies};

/// The regions in which agents are, and those in which one is online.
#[derive(Debug, Default)]
pub(super) struct Regions {
    known: BTreeSet<String>,
    alive: BTreeSet<String>,
}

impl App {
    /// The copies for a restore near a region, the first to be read first.
    pub(in crate::app) async fn copies_for(
        &self,
        view: &StateView,
        (cluster, repository): (&Name, Option<&Name>),
        at: &RestoreTarget,
        near: Option<&str>,
    ) -> Result<Vec<CopyToRead>> {
        let conn = view.connection();
        let policy = query::effective_policy(conn, cluster).await?;
        let policy = policy.map(|(_, policy)| policy);
        let backups = query::available_backups(conn, cluster).await?;
        let holding: BTreeSet<Name> = backups
            .into_iter()
            .flat_map(|backup| backup.repositories)
            .collect();
        let names = match repository {
            Some(named) => BTreeSet::from([named.clone()]),
            None => {
                let mut names = places_of(policy.as_ref());
                names.extend(holding.iter().cloned());
                names
            }
        };
        let regions = self.regions(view).await?;
        let mut copies = Vec::new();
        for name in names {
            let found = query::resource(conn, Kind::Repository, &name).await?;
            let Some(Resource::Repository(spec)) = found.map(|found| found.document.resource)
            else {
                continue;
            };
            let frontier = self.frontier_of(view, cluster, &name).await?;
            let original = policy.as_ref().is_some_and(|one| one.repository == name);
            copies.push(Copy {
                trouble: trouble_of(view, (cluster, &name), spec.region.as_deref(), &regions)
                    .await?,
                region: spec.region,
                holds: holding.contains(&name),
                frontier: frontier.map(|known| known.frontier.time),
                original,
                repository: name,
            });
        }
        if copies.is_empty() {
            return Err(match repository {
                Some(name) => AppError::not_found("repository", name).with_field("repository"),
                None => {
                    let message = format!("\"{cluster}\" has no backup and no policy");
                    AppError::new(Code::NO_BACKUP, message)
                }
            });
        }
        Ok(order_copies(copies, near, at))
    }

    async fn regions(&self, view: &StateView) -> Result<Regions> {
        let mut regions = Regions::default();
        let mut page = PageRequest::longest();
        loop {
            let found = query::agents(view.connection(), &page).await?;
            for agent in found.items {
                let Some(region) = agent.region.filter(|_| agent.revoked_at.is_none()) else {
                    continue;
                };
                if self.sessions.is_online(agent.id) {
                    regions.alive.insert(region.clone());
                }
                regions.known.insert(region);
            }
            match found.next_cursor {
                None => return Ok(regions),
                cursor => page.cursor = cursor,
            }
        }
    }
}

fn places_of(policy: Option<&Policy>) -> BTreeSet<Name> {
    let Some(policy) = policy else {
        return BTreeSet::new();
    };
    let copies = policy.copies.iter().map(|copy| copy.repository.clone());
    copies.chain([policy.repository.clone()]).collect()
}

/// What is known to be wrong with a repository, for this cluster.
async fn trouble_of(
    view: &StateView,
    (cluster, repository): (&Name, &Name),
    region: Option<&str>,
    regions: &Regions,
) -> Result<Option<String>> {
    let conn = view.connection();
    let findings = query::findings(conn, repository).await?;
    let of_it = |one: &&query::FindingView| {
        matches!(one.kind, FindingKind::Missing | FindingKind::Damaged)
            && one.cluster.as_ref().is_none_or(|name| name == cluster)
    };
    let open = findings.iter().filter(of_it).count();
    if open > 0 {
        return Ok(Some(format!("{open} findings are open in it")));
    }
    let scan = query::scan(conn, repository).await?;
    if let Some(failure) = scan.and_then(|scan| scan.failure) {
        return Ok(Some(format!(
            "it could not be looked at: {}",
            failure.message
        )));
    }
    let dark = region.filter(|one| regions.known.contains(*one) && !regions.alive.contains(*one));
    Ok(dark.map(|region| format!("every agent of its region {region} is offline")))
}
