//! The definitions, applied to one moment at a time. Slow, and as they are
//! written.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use holdfast_compliance::{Backup, Claim, Exemption, Fact, KeptStretch, Promise};
use holdfast_types::resource::WalMode;
use holdfast_types::{BackupKind, Compliance, ExemptionId, Lineage, Name, RpoScope};
use jiff::{SignedDuration, Timestamp};

use crate::world::World;

/// A cluster at a moment.
#[derive(Debug)]
pub(crate) struct Naive {
    pub(crate) status: Option<Compliance>,
    pub(crate) violated: bool,
    pub(crate) measured: bool,
    pub(crate) exempt: bool,
    /// Whether its exposure counts for percentiles.
    pub(crate) counts: bool,
    pub(crate) scope: RpoScope,
    /// Each place's region and exposure.
    places: Vec<(Option<String>, Option<Duration>)>,
}

#[derive(Default)]
struct Repository {
    backups: Vec<Backup>,
    missing: BTreeSet<(Lineage, u64)>,
    trouble: bool,
}

#[derive(Default)]
struct State {
    declared: bool,
    promise: Option<Promise>,
    assigned: Option<Timestamp>,
    repositories: BTreeMap<Name, Repository>,
    agent_lost: bool,
    exemptions: BTreeMap<ExemptionId, Exemption>,
}

/// The cluster at `now`, by what was known at `known`; `None` when it was not
/// declared.
pub(crate) fn naive(world: &World, now: Timestamp, known: Timestamp) -> Option<Naive> {
    let state = state(world, now, known);
    if !state.declared {
        return None;
    }
    let exempt = state.exemptions.values().any(|one| one.until > now);
    let Some(promise) = state.promise.clone() else {
        let status = if exempt {
            Compliance::Exempt
        } else {
            Compliance::Unprotected
        };
        return Some(Naive {
            status: Some(status),
            violated: false,
            measured: false,
            exempt,
            counts: false,
            scope: RpoScope::Any,
            places: Vec::new(),
        });
    };
    let places = promise.places.iter().map(|place| {
        let frontier = frontier(world, &state, (&promise, &place.repository), (now, known));
        (
            place.region.clone(),
            frontier.map(|frontier| since(frontier, now)),
        )
    });
    let mut naive = Naive {
        status: None,
        violated: false,
        measured: promise.rpo.is_some(),
        exempt,
        counts: false,
        scope: promise.scope,
        places: places.collect(),
    };
    let exposure = naive.exposure(promise.scope);
    let hour = Duration::from_secs(3600);
    let grace = promise.rpo.map_or(hour, |rpo| rpo.get().max(hour));
    let graced = since(state.assigned.unwrap(), now) >= grace;
    naive.counts = exposure.is_some() || graced;
    naive.violated = promise.rpo.is_some_and(|rpo| match exposure {
        None => graced,
        Some(exposure) => exposure > rpo.get(),
    });
    naive.status = status(&naive, &state, &promise, exposure);
    Some(naive)
}

fn state(world: &World, now: Timestamp, known: Timestamp) -> State {
    let mut facts: Vec<_> = world.facts.iter().collect();
    facts.retain(|recorded| recorded.at <= now && recorded.known <= known);
    facts.sort_by_key(|recorded| (recorded.at, recorded.known));
    let mut state = State::default();
    for recorded in facts {
        state.take(&recorded.fact, recorded.at);
    }
    state
}

impl State {
    fn repository(&mut self, name: &Name) -> &mut Repository {
        self.repositories.entry(name.clone()).or_default()
    }

    fn take(&mut self, fact: &Fact, at: Timestamp) {
        match fact {
            Fact::Promised(promise) => {
                self.declared = true;
                if self.promise.is_none() {
                    self.assigned = Some(at);
                }
                self.promise = Some(promise.as_ref().clone());
            }
            Fact::Unpromised => (self.declared, self.promise) = (true, None),
            Fact::Retired => (self.declared, self.promise) = (false, None),
            Fact::BackupAvailable { repository, backup } => {
                let backups = &mut self.repository(repository).backups;
                backups.retain(|known| known.id != backup.id);
                backups.push(backup.clone());
            }
            Fact::BackupGone { repository, backup } => {
                let backups = &mut self.repository(repository).backups;
                backups.retain(|known| known.id != *backup);
            }
            Fact::HoleOpened {
                repository,
                lineage,
                range,
            } => {
                let missing = &mut self.repository(repository).missing;
                let positions = range.from_lsn.get()..range.to_lsn.get();
                missing.extend(positions.map(|lsn| (*lineage, lsn)));
            }
            Fact::HoleClosed {
                repository,
                lineage,
                range,
            } => {
                let missing = &mut self.repository(repository).missing;
                let positions = range.from_lsn.get()..range.to_lsn.get();
                for lsn in positions {
                    missing.remove(&(*lineage, lsn));
                }
            }
            Fact::TroubleBegan { repository, .. } => self.repository(repository).trouble = true,
            Fact::TroubleEnded { repository } => self.repository(repository).trouble = false,
            Fact::AgentLost => self.agent_lost = true,
            Fact::AgentBack => self.agent_lost = false,
            Fact::Exempted(exemption) => {
                self.exemptions.insert(exemption.id, exemption.clone());
            }
            Fact::ExemptionEnded { exemption } => {
                self.exemptions.remove(exemption);
            }
            Fact::Drilled(_) => {}
        }
    }
}

/// The latest time proved complete in a repository.
fn frontier(
    world: &World,
    state: &State,
    (promise, name): (&Promise, &Name),
    (now, known): (Timestamp, Timestamp),
) -> Option<Timestamp> {
    let repository = state.repositories.get(name)?;
    let receives = promise.wal != WalMode::None;
    let mut times = Vec::new();
    for backup in &repository.backups {
        if backup.kind == BackupKind::Logical {
            times.extend((!receives).then_some(backup.consistent_at));
            continue;
        }
        times.push(backup.consistent_at);
        if !receives {
            continue;
        }
        let leads_to = |claim: &Claim| {
            let whole = (backup.start_lsn.get()..claim.lsn.get())
                .all(|lsn| !repository.missing.contains(&(backup.lineage, lsn)));
            claim.lineage == backup.lineage && claim.lsn >= backup.stop_lsn && whole
        };
        for kept in world
            .stretches
            .iter()
            .filter(|kept| kept.repository == *name)
        {
            let Some((first, last, peak)) = known_then(kept, known) else {
                continue;
            };
            for claim in [&first, &last] {
                times.extend((claim.at <= now && leads_to(claim)).then_some(claim.time));
            }
            if first.at < last.at && first.at <= now && now <= last.at && leads_to(&last) {
                times.push(minus(now, peak));
            }
        }
    }
    times.into_iter().max()
}

fn known_then(kept: &KeptStretch, known: Timestamp) -> Option<(Claim, Claim, Duration)> {
    let (first, mut last, peak) = (kept.stretch.first, kept.stretch.last, kept.stretch.peak);
    if kept.known_from > known && kept.known_to > known {
        return None;
    }
    if kept.known_to > known {
        last.at = last.at.min(known).max(first.at);
        last.time = last.time.min(minus(last.at, peak)).max(first.time);
    }
    Some((first, last, peak))
}

fn status(
    naive: &Naive,
    state: &State,
    promise: &Promise,
    exposure: Option<Duration>,
) -> Option<Compliance> {
    if naive.exempt {
        return Some(Compliance::Exempt);
    }
    let Some(exposure) = exposure else {
        return Some(Compliance::Unprotected);
    };
    if naive.violated {
        return Some(Compliance::Violated);
    }
    let own = promise
        .places
        .first()
        .and_then(|own| state.repositories.get(&own.repository));
    let against = state.agent_lost || own.is_some_and(|own| own.trouble);
    let may_be_blind = match promise.wal {
        WalMode::Streaming | WalMode::Both => true,
        WalMode::Archive => against,
        WalMode::None => false,
    };
    let flush = promise.flush_every.get();
    let blind = (flush * 2 + Duration::from_secs(2)).max(Duration::from_secs(15));
    let any = naive.exposure(RpoScope::Any);
    if may_be_blind && any.is_none_or(|any| any > blind) {
        return Some(Compliance::Unknown);
    }
    let rpo = promise.rpo?;
    Some(if exposure.as_millis() * 5 > rpo.get().as_millis() * 4 {
        Compliance::AtRisk
    } else {
        Compliance::Compliant
    })
}

impl Naive {
    /// The exposure of a scope; `None` when it has no bound.
    pub(crate) fn exposure(&self, scope: RpoScope) -> Option<Duration> {
        let all = || self.places.iter();
        let height = |exposure: Option<Duration>| exposure.unwrap_or(Duration::MAX);
        let worst = match scope {
            RpoScope::Any => all().map(|place| height(place.1)).min(),
            RpoScope::K2 => {
                let mut heights: Vec<_> = all().map(|place| height(place.1)).collect();
                heights.sort_unstable();
                heights.get(1).copied()
            }
            RpoScope::RegionLoss => {
                let regions: BTreeSet<&String> =
                    all().filter_map(|place| place.0.as_ref()).collect();
                let left = |gone: &&String| {
                    all()
                        .filter(|place| place.0.as_ref().is_some_and(|region| region != *gone))
                        .map(|place| height(place.1))
                        .min()
                        .unwrap_or(Duration::MAX)
                };
                regions.iter().map(left).max()
            }
        };
        worst.filter(|worst| *worst != Duration::MAX)
    }
}

fn since(from: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(from)).unwrap_or_default()
}

fn minus(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_sub(SignedDuration::try_from(by).unwrap())
        .unwrap()
}
