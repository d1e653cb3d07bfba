//! States, with the moments at which one became another.

use std::time::Duration;

use holdfast_types::resource::WalMode;
use holdfast_types::{Compliance, RpoScope};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::force::InForce;
use crate::segment::{Segment, Standing};

/// A time in one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Phase {
    /// Its first moment.
    pub from: Timestamp,
    /// The moment after its last.
    pub until: Timestamp,
    /// The state; `None` when there is no RPO to judge by, and nothing wrong.
    pub status: Option<Compliance>,
}

/// The state at a moment of a segment, given what is above what.
#[derive(Debug, Clone, Copy)]
struct Crossings {
    violated: Timestamp,
    blind: Timestamp,
    at_risk: Timestamp,
}

impl Crossings {
    fn of(segment: &Segment, force: &InForce) -> Self {
        let promise = &force.promise;
        let never = Timestamp::MAX;
        let rpo = promise.rpo.map(|rpo| rpo.get());
        let above = |height: Duration| segment.above(promise.scope, height);
        let blind = if judged_by_age(segment, force) {
            never
        } else {
            segment.above(RpoScope::Any, promise.blind_after())
        };
        Self {
            violated: rpo.map_or(never, above),
            blind,
            at_risk: rpo.map_or(never, |rpo| above(four_fifths(rpo))),
        }
    }

    /// Strictly after a crossing the exposure is above the height.
    fn status(self, force: &InForce, at: Timestamp) -> Option<Compliance> {
        if at > self.violated {
            Some(Compliance::Violated)
        } else if at > self.blind {
            Some(Compliance::Unknown)
        } else if force.promise.rpo.is_none() {
            None
        } else if at > self.at_risk {
            Some(Compliance::AtRisk)
        } else {
            Some(Compliance::Compliant)
        }
    }
}

/// 80 % of an RPO.
fn four_fifths(rpo: Duration) -> Duration {
    // By a fifth, for four times the longest duration there is would not fit.
    rpo - rpo / 5
}

/// Whether the age of what is there says all: no WAL is received, or it comes by
/// the archiver alone and nothing speaks against it. Between two segments an
/// archive is as old as its last one, and known to be; once its agent is away or
/// its archiver in trouble, nothing is (I-13).
fn judged_by_age(segment: &Segment, force: &InForce) -> bool {
    let troubled = segment.own().is_some_and(|own| own.trouble.is_some());
    match force.promise.wal {
        WalMode::None => true,
        WalMode::Archive => !segment.agent_lost && !troubled,
        WalMode::Streaming | WalMode::Both => false,
    }
}

impl Segment {
    /// The state at a moment in it; `None` in the outer option when the cluster is
    /// not declared.
    pub(crate) fn status(&self, at: Timestamp) -> Option<Option<Compliance>> {
        let crossings = self.force().map(|force| Crossings::of(self, force));
        self.status_by(crossings, at)
    }

    fn status_by(&self, crossings: Option<Crossings>, at: Timestamp) -> Option<Option<Compliance>> {
        let force = match &self.standing {
            Standing::Absent => return None,
            _ if self.exempt => return Some(Some(Compliance::Exempt)),
            Standing::Unpromised => return Some(Some(Compliance::Unprotected)),
            Standing::Promised(force) => force,
        };
        let bounded = self.exposure(force.promise.scope, at).is_some();
        let crossings = crossings.filter(|_| bounded);
        Some(match crossings {
            Some(crossings) => crossings.status(force, at),
            None => Some(Compliance::Unprotected),
        })
    }

    /// Its phases. None where the cluster is not declared.
    pub fn phases(&self) -> Vec<Phase> {
        let mut bends = vec![self.from, self.until];
        let crossings = self.force().map(|force| Crossings::of(self, force));
        if let Some(Crossings {
            violated,
            blind,
            at_risk,
        }) = crossings
        {
            let inside = |bend: &Timestamp| self.from < *bend && *bend < self.until;
            bends.extend(
                [violated, blind, at_risk]
                    .iter()
                    .filter(|bend| inside(bend)),
            );
            bends.sort_unstable();
        }
        let mut phases: Vec<Phase> = Vec::new();
        for pair in bends.windows(2) {
            let &[from, until] = pair else { continue };
            // A crossing is the last moment before: what is so at the end of a
            // piece is so in all of it.
            let Some(status) = self.status_by(crossings, until).filter(|_| from < until) else {
                continue;
            };
            match phases.last_mut() {
                Some(last) if last.status == status => last.until = until,
                _ => phases.push(Phase {
                    from,
                    until,
                    status,
                }),
            }
        }
        phases
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_fifths_are_exact() {
        for micros in [0, 1, 4, 5, 999, 30_000_000] {
            let part = four_fifths(Duration::from_micros(micros * 5));
            assert_eq!(part, Duration::from_micros(micros * 4));
        }
        assert!(four_fifths(Duration::MAX) < Duration::MAX);
    }
}
