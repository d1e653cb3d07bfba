//! The facts of one cluster, folded one after the other into what is so.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_types::{DrillId, ExemptionId, Name};
use jiff::Timestamp;

use crate::claim::{Claim, Stretch};
use crate::copy::Copy;
use crate::fact::{Drill, Exemption, Fact};
use crate::force::InForce;
use crate::reach::Reach;
use crate::segment::{Segment, Standing};

/// Something that becomes so at a moment.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    Fact(Arc<Fact>),
    Begins(Arc<Name>, Arc<Stretch>),
    Ends(Arc<Name>, Arc<Stretch>),
    /// Said live; whether it becomes part of a stretch is not known yet.
    Claims(Arc<Name>, Claim),
}

/// What is so at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sweep {
    at: Option<Timestamp>,
    standing: Standing,
    copies: BTreeMap<Name, Copy>,
    agent_lost: bool,
    exemptions: BTreeMap<ExemptionId, Exemption>,
    drills: Vec<(Timestamp, Drill)>,
}

/// How many of the newest drills are kept at hand.
const DRILLS: usize = 32;

impl Sweep {
    /// Up to when it was swept.
    pub(crate) fn at(&self) -> Option<Timestamp> {
        self.at
    }

    pub(crate) fn copy(&self, repository: &Name) -> Option<&Copy> {
        self.copies.get(repository)
    }

    pub(crate) fn agent_lost(&self) -> bool {
        self.agent_lost
    }

    /// The newest drills with when they ended, the newest last.
    pub(crate) fn drills(&self) -> &[(Timestamp, Drill)] {
        &self.drills
    }

    /// Lets time pass, and hands out each time in which nothing changed.
    pub(crate) fn advance(&mut self, to: Timestamp, visit: &mut impl FnMut(Segment)) {
        let Some(mut at) = self.at else {
            self.at = Some(to);
            return;
        };
        while at < to {
            // An exemption ends without a fact.
            let ends = self.exemptions.values().map(|exemption| exemption.until);
            let next = ends.filter(|end| *end > at).min();
            let until = next.map_or(to, |next| next.min(to));
            visit(self.segment(at, until));
            at = until;
            self.exemptions.retain(|_, exemption| exemption.until > at);
        }
        self.at = Some(at);
    }

    /// Lets time pass that nobody asks about.
    pub(crate) fn pass(&mut self, to: Timestamp) {
        if self.at.is_some_and(|at| at < to) {
            self.exemptions.retain(|_, exemption| exemption.until > to);
        }
        self.at = Some(self.at.map_or(to, |at| at.max(to)));
    }

    /// The segment from one moment to another, if nothing changes.
    pub(crate) fn segment(&mut self, from: Timestamp, until: Timestamp) -> Segment {
        let standing = self.standing.clone();
        let reaches = match &standing {
            Standing::Promised(force) => self.reaches(force),
            Standing::Absent | Standing::Unpromised => Vec::new(),
        };
        Segment {
            from,
            until,
            standing,
            reaches,
            exempt: self.exemptions.values().any(|one| one.until > from),
            agent_lost: self.agent_lost,
        }
    }

    fn reaches(&mut self, force: &InForce) -> Vec<Reach> {
        let receives = force.promise.receives_wal();
        let places = force.promise.places.iter();
        let reach = places.map(|place| match self.copies.get_mut(&place.repository) {
            Some(copy) => copy.reach(receives),
            None => Reach::default(),
        });
        reach.collect()
    }

    /// Takes an event in that happens now.
    pub(crate) fn apply(&mut self, event: &Event) {
        match event {
            Event::Fact(fact) => self.apply_fact(fact),
            Event::Begins(repository, stretch) => self.copy_mut(repository).begin(stretch),
            Event::Ends(repository, stretch) => self.copy_mut(repository).end(stretch),
            Event::Claims(repository, claim) => self.copy_mut(repository).claim(*claim),
        }
    }

    fn copy_mut(&mut self, repository: &Name) -> &mut Copy {
        if !self.copies.contains_key(repository) {
            self.copies.insert(repository.clone(), Copy::default());
        }
        self.copies
            .get_mut(repository)
            .expect("it was just put there")
    }

    fn apply_fact(&mut self, fact: &Fact) {
        match fact {
            Fact::Promised(promise) => {
                let now = self.at.unwrap_or(Timestamp::MIN);
                let assigned = match &self.standing {
                    Standing::Promised(before) => before.assigned,
                    Standing::Absent | Standing::Unpromised => now,
                };
                let force = InForce::new(promise.as_ref().clone(), now, assigned);
                self.standing = Standing::Promised(Arc::new(force));
            }
            Fact::Unpromised => self.standing = Standing::Unpromised,
            Fact::Retired => self.standing = Standing::Absent,
            Fact::BackupAvailable { repository, backup } => self.copy_mut(repository).add(backup),
            Fact::BackupGone { repository, backup } => {
                let copy = self.copy_mut(repository);
                copy.remove(*backup);
                copy.forget_old();
            }
            Fact::HoleOpened {
                repository,
                lineage,
                range,
            } => self.copy_mut(repository).open_hole(*lineage, *range),
            Fact::HoleClosed {
                repository,
                lineage,
                range,
            } => self.copy_mut(repository).close_hole(*lineage, *range),
            Fact::TroubleBegan { repository, code } => {
                let code = Arc::from(code.as_str());
                self.copy_mut(repository).set_trouble(Some(code));
            }
            Fact::TroubleEnded { repository } => self.copy_mut(repository).set_trouble(None),
            Fact::AgentLost => self.agent_lost = true,
            Fact::AgentBack => self.agent_lost = false,
            Fact::Exempted(exemption) => {
                self.exemptions.insert(exemption.id, exemption.clone());
            }
            Fact::ExemptionEnded { exemption } => {
                self.exemptions.remove(exemption);
            }
            Fact::Drilled(drill) => self.drilled(drill),
        }
    }

    fn drilled(&mut self, drill: &Drill) {
        let same = |id: DrillId| move |(_, known): &(Timestamp, Drill)| known.id == id;
        if self.drills.iter().any(same(drill.id)) {
            return;
        }
        if self.drills.len() == DRILLS {
            self.drills.remove(0);
        }
        let now = self.at.unwrap_or(Timestamp::MIN);
        self.drills.push((now, drill.clone()));
    }
}
