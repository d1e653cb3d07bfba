//! Which of the facts in force decide what is so now: a few, however many backups there
//! are.
//!
//! Of the backups of a repository, the newest is the latest point that needs no WAL. How
//! far WAL leads on is the same from each of one lineage, as long as none of it is
//! missing: then the one that ends first stands for all. Where some is missing every
//! backup counts. So an answer about now is the same with the others or without them;
//! the times that can be restored are not, and are not said of what is left.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use holdfast_types::{BackupKind, Lineage, Name};
use jiff::Timestamp;

use crate::fact::{Backup, Fact, KeptStretch, Recorded};
use crate::history::History;
use crate::promise::Promise;
use crate::verdict::Verdict;

/// What decides about a cluster now: few enough facts to be kept at hand of every one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Deciding {
    facts: Vec<(Timestamp, Timestamp, Arc<Fact>)>,
    /// Up to when nothing that was claimed matters any more; `None` where nothing can be
    /// restored.
    since: Option<Timestamp>,
    stretches: Vec<KeptStretch>,
}

/// What is heard of a cluster, and newer than any record.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    /// Nobody who protects it is there.
    pub agent_lost: bool,
    /// Why WAL does not reach which repository.
    pub troubles: Vec<(Name, String)>,
    /// What was claimed that is not on record.
    pub stretches: Vec<KeptStretch>,
}

impl Deciding {
    /// Of the facts in force of a cluster, however many.
    pub fn new(mut facts: Vec<Recorded>) -> Self {
        facts.sort_by_key(|one| (one.at, one.known));
        // What was complete before the newest backup of a repository says nothing of
        // now: that is a point of recovery itself.
        let mut newest: BTreeMap<&Name, Timestamp> = BTreeMap::new();
        for one in &facts {
            if let Fact::BackupAvailable { repository, backup } = &one.fact {
                let known = newest.entry(repository).or_insert(Timestamp::MIN);
                *known = (*known).max(backup.consistent_at);
            }
        }
        let since = newest.into_values().min();
        let facts = deciding(facts).into_iter();
        let facts = facts.map(|one| (one.at, one.known, Arc::new(one.fact)));
        Self {
            facts: facts.collect(),
            since,
            stretches: Vec::new(),
        }
    }

    /// From when on claims may decide.
    pub const fn since(&self) -> Option<Timestamp> {
        self.since
    }

    /// The same with the stretches that go on after [`Self::since`].
    #[must_use]
    pub fn with_stretches(&self, stretches: Vec<KeptStretch>) -> Self {
        Self {
            facts: self.facts.clone(),
            since: self.since,
            stretches,
        }
    }

    /// What is promised.
    pub fn promise(&self) -> Option<&Promise> {
        self.facts.iter().find_map(|(_, _, fact)| match &**fact {
            Fact::Promised(promise) => Some(&**promise),
            _ => None,
        })
    }

    /// The verdict at `now`; `None` when nobody asks to protect it.
    pub fn verdict(&self, heard: Heard, now: Timestamp) -> Option<Verdict> {
        let mut history = History::default();
        let mut say = |fact| history.add_shared(now, now, Arc::new(fact));
        if heard.agent_lost {
            say(Fact::AgentLost);
        }
        for (repository, code) in heard.troubles {
            say(Fact::TroubleBegan { repository, code });
        }
        for (at, known, fact) in &self.facts {
            match &**fact {
                // What is on record of silence and trouble is older than what is heard.
                Fact::AgentLost | Fact::TroubleBegan { .. } => {}
                // A clock that was ahead makes nothing come later than now.
                _ => history.add_shared((*at).min(now), *known, fact.clone()),
            }
        }
        for stretch in self.stretches.iter().cloned().chain(heard.stretches) {
            history.add_stretch(stretch);
        }
        history.verdict(Timestamp::MAX, now)
    }
}

/// A lineage in a repository.
type Place<'a> = (&'a Name, Lineage);

/// Those of the facts in force that decide what is so now, in their order.
pub fn deciding(facts: Vec<Recorded>) -> Vec<Recorded> {
    let keeps = keeps(&facts);
    let mut keeps = keeps.into_iter();
    let mut facts = facts;
    facts.retain(|_| keeps.next().unwrap_or(true));
    facts
}

/// Of each fact, whether it decides.
fn keeps(facts: &[Recorded]) -> Vec<bool> {
    let holes: BTreeSet<Place<'_>> = facts
        .iter()
        .filter_map(|one| match &one.fact {
            Fact::HoleOpened {
                repository,
                lineage,
                ..
            } => Some((repository, *lineage)),
            _ => None,
        })
        .collect();
    let mut newest: BTreeMap<(&Name, bool), (usize, &Backup)> = BTreeMap::new();
    let mut first: BTreeMap<Place<'_>, (usize, &Backup)> = BTreeMap::new();
    let mut keeps = vec![true; facts.len()];
    for (number, one) in facts.iter().enumerate() {
        let Fact::BackupAvailable { repository, backup } = &one.fact else {
            continue;
        };
        let is_dump = backup.kind == BackupKind::Logical;
        let place = (repository, backup.lineage);
        keeps[number] = !is_dump && holes.contains(&place);
        let known = newest.entry((repository, is_dump));
        let known = known.or_insert((number, backup));
        if (backup.consistent_at, backup.id) > (known.1.consistent_at, known.1.id) {
            *known = (number, backup);
        }
        if !is_dump {
            let known = first.entry(place).or_insert((number, backup));
            if backup.stop_lsn < known.1.stop_lsn {
                *known = (number, backup);
            }
        }
    }
    for (number, _) in newest.into_values().chain(first.into_values()) {
        keeps[number] = true;
    }
    keeps
}
