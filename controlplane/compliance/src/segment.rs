//! A time in which no fact changes: all of it follows from a few numbers.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use holdfast_types::RpoScope;
use jiff::Timestamp;

use crate::force::InForce;
use crate::reach::Reach;
use crate::shape::{self, Piece};

/// What a cluster is declared to be.
#[derive(Debug, Clone, Default)]
pub(crate) enum Standing {
    /// Nobody asks to protect it.
    #[default]
    Absent,
    /// It is there and no policy selects it.
    Unpromised,
    /// Something is promised.
    Promised(Arc<InForce>),
}

/// The time from one fact to the next.
#[derive(Debug, Clone)]
pub struct Segment {
    pub(crate) from: Timestamp,
    pub(crate) until: Timestamp,
    pub(crate) standing: Standing,
    /// Of the places of the promise, in their order.
    pub(crate) reaches: Vec<Reach>,
    pub(crate) exempt: bool,
    pub(crate) agent_lost: bool,
}

impl Segment {
    /// Its first moment.
    pub const fn from(&self) -> Timestamp {
        self.from
    }

    /// The moment after its last.
    pub const fn until(&self) -> Timestamp {
        self.until
    }

    /// Whether somebody asks to protect the cluster.
    pub(crate) fn is_declared(&self) -> bool {
        !matches!(self.standing, Standing::Absent)
    }

    /// The part of it between two moments.
    pub(crate) fn clip(&self, from: Timestamp, until: Timestamp) -> Option<Cow<'_, Self>> {
        if from <= self.from && self.until <= until {
            return Some(Cow::Borrowed(self));
        }
        let (from, until) = (self.from.max(from), self.until.min(until));
        (from < until).then(|| {
            Cow::Owned(Self {
                from,
                until,
                ..self.clone()
            })
        })
    }

    pub(crate) fn force(&self) -> Option<&Arc<InForce>> {
        match &self.standing {
            Standing::Promised(force) => Some(force),
            Standing::Absent | Standing::Unpromised => None,
        }
    }

    /// Whether there is an RPO to be measured by: only then it counts for
    /// compliance.
    pub(crate) fn is_measured(&self) -> bool {
        self.force()
            .is_some_and(|force| force.promise.rpo.is_some())
    }

    /// The scope that the RPO is about.
    pub(crate) fn scope(&self) -> RpoScope {
        self.force()
            .map_or(RpoScope::Any, |force| force.promise.scope)
    }

    /// The exposure of a scope at a moment in it; `None` when it has no bound.
    pub fn exposure(&self, scope: RpoScope, at: Timestamp) -> Option<Duration> {
        shape::exposure(scope, self.force()?, &self.reaches, at)
    }

    /// From when on the exposure of a scope is above a height.
    pub(crate) fn above(&self, scope: RpoScope, height: Duration) -> Timestamp {
        match self.force() {
            Some(force) => shape::above(scope, force, &self.reaches, height),
            None => Timestamp::MIN,
        }
    }

    /// From when on the exposure is above the RPO; `None` when it is not by its
    /// end. What was never protected is given a grace first.
    pub(crate) fn violated_from(&self) -> Option<Timestamp> {
        let force = self.force()?;
        let rpo = force.promise.rpo?;
        let above = self.above(self.scope(), rpo.get());
        let above = if above == Timestamp::MIN {
            force.unprotected_from
        } else {
            above
        };
        let above = above.max(self.from);
        (above < self.until).then_some(above)
    }

    /// Whether the exposure is above the RPO at a moment.
    pub(crate) fn is_above(&self, at: Timestamp) -> bool {
        let rpo = self.force().and_then(|force| force.promise.rpo);
        let exposure = self.exposure(self.scope(), at);
        rpo.is_some_and(|rpo| exposure.is_none_or(|exposure| exposure > rpo.get()))
    }

    /// The course of a scope's exposure; empty where nothing is promised.
    pub(crate) fn pieces(&self, scope: RpoScope) -> Vec<Piece> {
        self.force().map_or_else(Vec::new, |force| {
            shape::pieces(scope, force, &self.reaches, (self.from, self.until))
        })
    }

    /// Of the policy's own repository.
    pub(crate) fn own(&self) -> Option<&Reach> {
        self.reaches.first()
    }
}
