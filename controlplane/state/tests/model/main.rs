//! The model of expiry (DESIGN 8): pins, attempts, agents that are alone, marks
//! that are put if absent, condemning, and deletions that come late.
//!
//! What is checked in every state that can be reached: whoever is in the
//! repository and not condemned has all of its packs, and what is on record as
//! available is there. Each rule can be left out, and then the checker must find
//! how something kept becomes unrestorable: a rule that nothing needs would be
//! one that nobody keeps.
//!
//! Small words: a pack is named by the attempt that wrote it, and one cluster has
//! one full backup from the beginning. Times are what is left of them, or how long
//! ago they were, as far as that matters: so there is no last moment, and what
//! differs in its clock alone is one state.

use std::collections::{BTreeMap, BTreeSet};

use stateright::{Checker, HasDiscoveries, Model, Property};

type Attempt = u8;
type Run = u8;
/// So many ticks.
type Ticks = u8;

/// The backup that is there from the beginning, and its run.
const FIRST: Attempt = 0;
/// The runs that come due, after that of the first backup.
const RUNS: Run = 2;
/// The attempts that there are at most, all runs together.
const ATTEMPTS: usize = 2;
/// For how long a parent is pinned.
const PIN: Ticks = 1;
/// How late what an agent sent can arrive.
const DELAY: Ticks = 1;
/// What was condemned is deleted when it was so for longer than this.
const GRACE: Ticks = DELAY;
/// What nobody names is an orphan when it is older than this.
const YOUNG: Ticks = PIN + DELAY;

/// What holds. All of it, but in the tests that leave one out.
#[derive(Debug, Clone, Copy)]
struct Rules {
    /// What is pinned is not condemned.
    pins_are_asked: bool,
    /// What is condemned is not pinned any more.
    condemned_stays: bool,
    /// A mark is sent only while its parent's pin is in force.
    late_marks_are_not_sent: bool,
    /// Nothing is deleted before what was sent can no longer arrive.
    grace: bool,
    /// Whoever deletes lists the marks in the repository, and does not rely on
    /// the catalog.
    marks_are_listed: bool,
    /// What no mark names is left while whoever wrote it may still commit.
    young_orphans_are_left: bool,
    /// A key that was deleted is never written again.
    keys_are_new: bool,
    /// A mark does not replace another one.
    put_if_absent: bool,
    /// After pins were forgotten, nothing is condemned for the longest pin.
    blind_time: bool,
    /// The last backup that is available is kept.
    last_is_kept: bool,
}

const ALL: Rules = Rules {
    pins_are_asked: true,
    condemned_stays: true,
    late_marks_are_not_sent: true,
    grace: true,
    marks_are_listed: true,
    young_orphans_are_left: true,
    keys_are_new: true,
    put_if_absent: true,
    blind_time: true,
    last_is_kept: true,
};

/// How far an attempt is, as its agent knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Phase {
    /// Its packs are in the repository.
    Written,
    /// Its mark is on its way for so long.
    Sent(Ticks),
    /// Its mark arrived, or was refused, or lost.
    Over,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Try {
    run: Run,
    /// Whether nobody but its agent knows of it.
    alone: bool,
    /// The packs that its manifest names.
    packs: BTreeSet<Attempt>,
    /// For how long it may still send its mark.
    left: Option<Ticks>,
    phase: Phase,
}

/// What the replicated state says of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Known {
    Available,
    /// For so long, as far as that matters.
    Condemned(Ticks),
}

/// Whether pins were forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Blind {
    NotYet,
    /// Once, and nothing is condemned for so long.
    For(Ticks),
    Over,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    tries: BTreeMap<Attempt, Try>,
    catalog: BTreeMap<Attempt, Known>,
    /// For how long each backup is pinned.
    pins: BTreeMap<Attempt, Ticks>,
    /// What standing orders build on, as the agent has them, and for how long.
    standing: Option<(Attempt, Option<Ticks>)>,
    blind: Blind,
    /// The repository: who has the mark of each run, and how old packs are.
    marks: BTreeMap<Run, Attempt>,
    packs: BTreeMap<Attempt, Ticks>,
    /// What deletions that were decided on will still delete.
    doomed: BTreeSet<Attempt>,
    /// What the marks that are gone named.
    manifests: BTreeMap<Attempt, BTreeSet<Attempt>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Act {
    Tick,
    /// The next attempt at a run is given out, with this parent or none.
    Assign(Run, Option<Attempt>),
    /// The agent gets standing orders that build on this.
    Order(Attempt),
    /// The agent follows them alone.
    Alone(Run),
    Send(Attempt),
    Arrive(Attempt),
    /// The catalog learns of a mark.
    Record(Run),
    Condemn(Attempt),
    /// Deletes the mark of what is condemned, and decides on its packs.
    Sweep(Attempt),
    /// Decides on packs that nothing names.
    SweepOrphan(Attempt),
    Delete(Attempt),
    /// The state is restored from before the pins were given.
    ForgetPins,
}

struct Expiry(Rules);

impl World {
    fn available(&self, attempt: Attempt) -> bool {
        self.catalog.get(&attempt) == Some(&Known::Available)
    }

    fn condemned(&self, attempt: Attempt) -> bool {
        matches!(self.catalog.get(&attempt), Some(Known::Condemned(_)))
    }

    fn next(&self) -> Option<Attempt> {
        let next = Attempt::try_from(self.tries.len()).ok()? + 1;
        (self.tries.len() < ATTEMPTS).then_some(next)
    }

    /// Packs that something names which is not condemned.
    fn named(&self, rules: Rules) -> BTreeSet<Attempt> {
        let listed = self.marks.values().copied();
        let known = self.catalog.keys().copied();
        let kept: BTreeSet<Attempt> = if rules.marks_are_listed {
            listed.filter(|one| !self.condemned(*one)).collect()
        } else {
            known.filter(|one| self.available(*one)).collect()
        };
        let packs = kept.iter().filter_map(|one| self.manifests.get(one));
        packs.flatten().copied().collect()
    }

    fn begin(
        &mut self,
        run: Run,
        parent: Option<(Attempt, Option<Ticks>)>,
        alone: bool,
        keys_are_new: bool,
    ) -> Option<()> {
        let attempt = self.next()?;
        let mut same = self.tries.iter().filter(|(_, one)| one.run == run);
        let again = same.next().map_or(attempt, |(first, _)| *first);
        let pack = if keys_are_new { attempt } else { again };
        let mut packs = BTreeSet::from([pack]);
        if let Some((parent, _)) = parent {
            packs.extend(self.manifests.get(&parent).into_iter().flatten());
        }
        // What builds on nothing may commit as long as a pin would last.
        let left = parent.map_or(Some(PIN), |(_, left)| left);
        self.packs.insert(pack, 0);
        self.manifests.insert(attempt, packs.clone());
        let one = Try {
            run,
            alone,
            packs,
            left,
            phase: Phase::Written,
        };
        self.tries.insert(attempt, one);
        Some(())
    }
}

impl Model for Expiry {
    type State = World;
    type Action = Act;

    fn init_states(&self) -> Vec<World> {
        vec![World {
            tries: BTreeMap::new(),
            catalog: BTreeMap::from([(FIRST, Known::Available)]),
            pins: BTreeMap::new(),
            standing: None,
            blind: Blind::NotYet,
            marks: BTreeMap::from([(0, FIRST)]),
            packs: BTreeMap::from([(FIRST, 0)]),
            doomed: BTreeSet::new(),
            manifests: BTreeMap::from([(FIRST, BTreeSet::from([FIRST]))]),
        }]
    }

    fn actions(&self, world: &World, acts: &mut Vec<Act>) {
        acts.push(Act::Tick);
        for run in 1..=RUNS {
            let taken = world.tries.values().filter(|one| one.run == run);
            if world.next().is_some() && taken.count() < ATTEMPTS {
                acts.push(Act::Assign(run, None));
                let parents = world.catalog.keys().map(|one| Act::Assign(run, Some(*one)));
                acts.extend(parents);
                acts.push(Act::Alone(run));
            }
            acts.push(Act::Record(run));
        }
        acts.extend(world.catalog.keys().map(|one| Act::Order(*one)));
        for (attempt, one) in &world.tries {
            match one.phase {
                Phase::Written => acts.push(Act::Send(*attempt)),
                Phase::Sent(_) => acts.push(Act::Arrive(*attempt)),
                Phase::Over => {}
            }
        }
        acts.extend(world.catalog.keys().map(|one| Act::Condemn(*one)));
        acts.extend(world.catalog.keys().map(|one| Act::Sweep(*one)));
        acts.extend(world.packs.keys().map(|one| Act::SweepOrphan(*one)));
        acts.extend(world.doomed.iter().map(|one| Act::Delete(*one)));
        if world.blind == Blind::NotYet && !world.pins.is_empty() {
            acts.push(Act::ForgetPins);
        }
    }

    fn next_state(&self, before: &World, act: Act) -> Option<World> {
        let mut world = before.clone();
        let done = match act {
            Act::Tick => self.tick(&mut world),
            Act::Assign(run, parent) => self.assign(&mut world, run, parent),
            Act::Order(parent) => self.order(&mut world, parent),
            Act::Alone(run) => self.alone(&mut world, run),
            Act::Send(attempt) => self.send(&mut world, attempt),
            Act::Arrive(attempt) => self.arrive(&mut world, attempt),
            Act::Record(run) => record(&mut world, run),
            Act::Condemn(attempt) => self.condemn(&mut world, attempt),
            Act::Sweep(attempt) => self.sweep(&mut world, attempt),
            Act::SweepOrphan(pack) => self.sweep_orphan(&mut world, pack),
            Act::Delete(pack) => delete(&mut world, pack),
            Act::ForgetPins => forget_pins(&mut world),
        };
        (done.is_some() && world != *before).then_some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("what is kept has all of its packs", |_, world: &World| {
                let kept = world.marks.values().filter(|one| !world.condemned(**one));
                let mut packs = kept.filter_map(|one| world.manifests.get(one)).flatten();
                packs.all(|pack| world.packs.contains_key(pack))
            }),
            Property::always("what is available has its mark", |_, world: &World| {
                let mut known = world.catalog.keys().filter(|one| world.available(**one));
                known.all(|one| world.marks.values().any(|marked| marked == one))
            }),
            Property::always("something is available", |_, world: &World| {
                world.catalog.keys().any(|one| world.available(*one))
            }),
            Property::sometimes("a parent's packs outlive it", |_, world: &World| {
                !world.marks.values().any(|one| *one == FIRST)
                    && world.packs.contains_key(&FIRST)
                    && world.named(ALL).contains(&FIRST)
            }),
            Property::sometimes("what nothing needs is deleted", |_, world: &World| {
                !world.packs.contains_key(&FIRST)
            }),
            Property::sometimes("an agent commits alone", |_, world: &World| {
                let mut marked = world.marks.values().filter_map(|one| world.tries.get(one));
                marked.any(|one| one.alone && one.packs.len() > 1)
            }),
        ]
    }
}

impl Expiry {
    /// What is on its way for longer than anything takes is lost.
    fn tick(&self, world: &mut World) -> Option<()> {
        let sooner = |left: Option<Ticks>| left.and_then(|left| left.checked_sub(1));
        for one in world.tries.values_mut() {
            one.left = sooner(one.left);
            one.phase = match one.phase {
                Phase::Sent(DELAY) => Phase::Over,
                Phase::Sent(ago) => Phase::Sent(ago + 1),
                phase => phase,
            };
        }
        world.pins.retain(|_, left| *left > 0);
        world.pins.values_mut().for_each(|left| *left -= 1);
        let standing = world.standing.map(|(parent, left)| (parent, sooner(left)));
        let over = |(_, left): &(_, Option<Ticks>)| left.is_none();
        world.standing = standing.filter(|one| !(over(one) && self.0.late_marks_are_not_sent));
        world.blind = match world.blind {
            Blind::For(0) => Blind::Over,
            Blind::For(left) => Blind::For(left - 1),
            blind => blind,
        };
        for age in world.packs.values_mut() {
            *age = (*age + 1).min(YOUNG + 1);
        }
        for known in world.catalog.values_mut() {
            if let Known::Condemned(ago) = known {
                *ago = (*ago + 1).min(GRACE + 1);
            }
        }
        Some(())
    }

    fn pin(&self, world: &mut World, parent: Attempt) -> Option<Option<Ticks>> {
        if self.0.condemned_stays && !world.available(parent) {
            return None;
        }
        world.pins.insert(parent, PIN);
        Some(Some(PIN))
    }

    fn assign(&self, world: &mut World, run: Run, parent: Option<Attempt>) -> Option<()> {
        let parent = match parent {
            Some(parent) => Some((parent, self.pin(world, parent)?)),
            None => None,
        };
        world.begin(run, parent, false, self.0.keys_are_new)
    }

    fn order(&self, world: &mut World, parent: Attempt) -> Option<()> {
        world.standing = Some((parent, self.pin(world, parent)?));
        Some(())
    }

    fn alone(&self, world: &mut World, run: Run) -> Option<()> {
        let standing = world.standing?;
        world.begin(run, Some(standing), true, self.0.keys_are_new)
    }

    fn send(&self, world: &mut World, attempt: Attempt) -> Option<()> {
        let one = world.tries.get_mut(&attempt)?;
        let over = one.left.is_none() && self.0.late_marks_are_not_sent;
        one.phase = if over { Phase::Over } else { Phase::Sent(0) };
        Some(())
    }

    fn arrive(&self, world: &mut World, attempt: Attempt) -> Option<()> {
        let run = world.tries.get(&attempt)?.run;
        if !self.0.put_if_absent || !world.marks.contains_key(&run) {
            world.marks.insert(run, attempt);
        }
        end(world, attempt)
    }

    fn condemn(&self, world: &mut World, attempt: Attempt) -> Option<()> {
        let others = world.catalog.keys().filter(|one| world.available(**one));
        if !world.available(attempt) || (self.0.last_is_kept && others.count() < 2) {
            return None;
        }
        if self.0.pins_are_asked && world.pins.contains_key(&attempt) {
            return None;
        }
        if self.0.blind_time && matches!(world.blind, Blind::For(_)) {
            return None;
        }
        world.catalog.insert(attempt, Known::Condemned(0));
        Some(())
    }

    fn sweep(&self, world: &mut World, attempt: Attempt) -> Option<()> {
        let Some(Known::Condemned(ago)) = world.catalog.get(&attempt) else {
            return None;
        };
        if self.0.grace && *ago <= GRACE {
            return None;
        }
        world.marks.retain(|_, marked| *marked != attempt);
        let named = world.named(self.0);
        let packs = world.manifests.get(&attempt)?.clone();
        let packs = packs.into_iter().filter(|pack| !named.contains(pack));
        world.doomed.extend(packs);
        Some(())
    }

    fn sweep_orphan(&self, world: &mut World, pack: Attempt) -> Option<()> {
        let age = *world.packs.get(&pack)?;
        if self.0.young_orphans_are_left && age <= YOUNG {
            return None;
        }
        let named = world.named(self.0).contains(&pack);
        // The packs of what is condemned are the sweep's.
        if named || world.condemned(pack) || self.may_still_be_named(world, pack) {
            return None;
        }
        world.doomed.insert(pack);
        Some(())
    }

    /// What a backup in the catalog names that is still to be swept.
    fn may_still_be_named(&self, world: &World, pack: Attempt) -> bool {
        let known = world
            .catalog
            .keys()
            .filter_map(|one| world.manifests.get(one));
        self.0.marks_are_listed && known.flatten().any(|named| *named == pack)
    }
}

fn forget_pins(world: &mut World) -> Option<()> {
    world.pins.clear();
    world.blind = Blind::For(PIN);
    Some(())
}

fn end(world: &mut World, attempt: Attempt) -> Option<()> {
    world.tries.get_mut(&attempt)?.phase = Phase::Over;
    Some(())
}

fn record(world: &mut World, run: Run) -> Option<()> {
    let marked = *world.marks.get(&run)?;
    world.catalog.entry(marked).or_insert(Known::Available);
    Some(())
}

fn delete(world: &mut World, pack: Attempt) -> Option<()> {
    world.doomed.remove(&pack);
    world.packs.remove(&pack);
    Some(())
}

// Pitfall 31
#[test]
fn nothing_that_is_kept_becomes_unrestorable() {
    let checker = Expiry(ALL).checker().threads(2).spawn_bfs().join();
    eprintln!("{} states", checker.unique_state_count());
    checker.assert_properties();
}

/// The checker must find how a promise is broken without a rule.
fn needed(rules: Rules, promise: &'static str) {
    let checker = Expiry(rules).checker();
    let checker = checker.finish_when(HasDiscoveries::AnyFailures);
    let found = checker.threads(2).spawn_bfs().join().discovery(promise);
    assert!(found.is_some(), "{promise} without a rule: {rules:?}");
}

const RESTORABLE: &str = "what is kept has all of its packs";

// Pitfall 31
#[test]
fn each_rule_is_needed() {
    let lost = [
        Rules {
            pins_are_asked: false,
            ..ALL
        },
        Rules {
            condemned_stays: false,
            ..ALL
        },
        Rules {
            late_marks_are_not_sent: false,
            ..ALL
        },
        Rules {
            grace: false,
            ..ALL
        },
        Rules {
            marks_are_listed: false,
            ..ALL
        },
        Rules {
            young_orphans_are_left: false,
            ..ALL
        },
        Rules {
            keys_are_new: false,
            ..ALL
        },
        Rules {
            blind_time: false,
            ..ALL
        },
    ];
    for rules in lost {
        needed(rules, RESTORABLE);
    }
    needed(
        Rules {
            put_if_absent: false,
            ..ALL
        },
        "what is available has its mark",
    );
    needed(
        Rules {
            last_is_kept: false,
            ..ALL
        },
        "something is available",
    );
}
