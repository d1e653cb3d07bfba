//! Where a drill is made, and to which point.
//!
//! Both are decided from facts alone. A drill is never put on the primary's own host
//! unless somebody says so (I-15), and a random point comes of a number that whoever
//! orders the drill brings (I-02).

use std::collections::BTreeMap;

use holdfast_types::{AgentId, Name};
use jiff::{SignedDuration, Timestamp};

/// So much more than the database holds must be free where the disk is known: WAL, and
/// what is left alone.
const ROOM_TENTHS: u64 = 12;
/// Reasons that are told when nobody can.
const REASONS: usize = 3;

/// What is known of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its id.
    pub id: AgentId,
    /// Its name.
    pub name: Name,
    /// Its region.
    pub region: Option<String>,
    /// Whether it can be given something now.
    pub ready: bool,
    /// The release of each server that it sees, the major part.
    pub majors: Vec<u32>,
    /// The most that is free on a volume that it sees.
    pub free_bytes: Option<u64>,
    /// Jobs in its hands.
    pub load: u64,
    /// A drill that it makes.
    pub drills: bool,
}

/// What a drill needs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Need {
    /// The agent on the primary's host.
    pub primary: Option<Name>,
    /// The agents of the cluster, the relays among them.
    pub own: Vec<Name>,
    /// The region that was asked for.
    pub region: Option<String>,
    /// The region of the repository.
    pub near: Option<String>,
    /// The repository is a directory: only the cluster's own agents are known to have
    /// it.
    pub is_directory: bool,
    /// The release of the cluster's servers.
    pub major: Option<u32>,
    /// What the cluster holds.
    pub bytes: u64,
}

/// The agent for a drill, or why nobody can.
pub fn place(candidates: &[Candidate], need: &Need) -> Result<(AgentId, Name), String> {
    let mut reasons: BTreeMap<&'static str, Vec<&Name>> = BTreeMap::new();
    let mut able = Vec::new();
    for candidate in candidates {
        match against(candidate, need) {
            None => able.push(candidate),
            Some(reason) => reasons.entry(reason).or_default().push(&candidate.name),
        }
    }
    let knows = |one: &Candidate| need.major.is_some_and(|major| one.majors.contains(&major));
    let near = |one: &Candidate| need.near.is_some() && one.region == need.near;
    let best = able.into_iter().min_by_key(|one| {
        let free = std::cmp::Reverse(one.free_bytes.unwrap_or(0));
        (!knows(one), !near(one), one.load, free, &one.name)
    });
    if let Some(best) = best {
        return Ok((best.id, best.name.clone()));
    }
    // What may pass is told before what will not.
    let told = reasons.iter().take(REASONS).map(|(reason, names)| {
        let more = match names.len() {
            1 => String::new(),
            several => format!(" (and {} more)", several - 1),
        };
        format!("\"{}\"{more} {reason}", names[0])
    });
    let told: Vec<String> = told.collect();
    Err(if told.is_empty() {
        "an agent to rehearse on: none is enrolled".to_owned()
    } else {
        format!("an agent to rehearse on: {}", told.join("; "))
    })
}

/// What speaks against it.
fn against(candidate: &Candidate, need: &Need) -> Option<&'static str> {
    if need.primary.as_ref() == Some(&candidate.name) {
        return Some("is on the primary's host, which is taken only when it is named");
    }
    if need.is_directory && !need.own.contains(&candidate.name) {
        return Some("is not the cluster's, and the repository is a directory");
    }
    if need.region.is_some() && candidate.region != need.region {
        return Some("is in another region");
    }
    if !candidate.ready {
        return Some("is offline");
    }
    if candidate.drills {
        return Some("is making another drill");
    }
    let wanted = need.bytes.saturating_mul(ROOM_TENTHS) / 10;
    if candidate.free_bytes.is_some_and(|free| free < wanted) {
        return Some("has too little room");
    }
    None
}

/// A point of a window: whole thousandths of a second, each as likely as any other.
pub fn point_in((from, to): (Timestamp, Timestamp), random: u64) -> Timestamp {
    let span = u64::try_from(to.duration_since(from).as_millis()).unwrap_or(0);
    let away = match span.checked_add(1) {
        Some(points) => random % points,
        None => random,
    };
    let away = SignedDuration::from_millis(i64::try_from(away).unwrap_or(0));
    from.checked_add(away).unwrap_or(to).min(to)
}

/// One of some things.
pub fn one_of<T>(things: &[T], random: u64) -> Option<&T> {
    let count = u64::try_from(things.len())
        .ok()
        .filter(|count| *count > 0)?;
    things.get(usize::try_from(random % count).ok()?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    fn agent(text: &str) -> Candidate {
        Candidate {
            id: AgentId::from_uuid(Uuid::from_u128(u128::from(text.as_bytes()[2]))),
            name: name(text),
            region: Some("eu".to_owned()),
            ready: true,
            majors: vec![15],
            free_bytes: Some(100),
            load: 0,
            drills: false,
        }
    }

    fn need() -> Need {
        Need {
            primary: Some(name("db1")),
            own: vec![name("db1"), name("db2")],
            major: Some(15),
            bytes: 50,
            ..Need::default()
        }
    }

    fn placed(candidates: &[Candidate], need: &Need) -> Result<String, String> {
        place(candidates, need).map(|(_, name)| name.to_string())
    }

    /// I-15: the primary's own host is not taken by itself.
    #[test]
    fn the_primarys_host_is_never_chosen() {
        let why = placed(&[agent("db1")], &need()).unwrap_err();
        assert!(why.contains("\"db1\" is on the primary's host"), "{why}");
        let all = [agent("db1"), agent("db2")];
        assert_eq!(placed(&all, &need()).unwrap(), "db2");
    }

    #[test]
    fn everything_that_speaks_against_an_agent_counts() {
        let refused = |change: fn(&mut Candidate), need: &Need| {
            let mut one = agent("db3");
            change(&mut one);
            placed(&[one], need).unwrap_err()
        };
        let there = need();
        assert!(refused(|one| one.ready = false, &there).contains("offline"));
        assert!(refused(|one| one.drills = true, &there).contains("another drill"));
        assert!(refused(|one| one.free_bytes = Some(59), &there).contains("too little room"));
        let us = Need {
            region: Some("us".to_owned()),
            ..need()
        };
        assert!(refused(|_| {}, &us).contains("another region"));
        let directory = Need {
            is_directory: true,
            ..need()
        };
        assert!(refused(|_| {}, &directory).contains("a directory"));
        assert!(
            placed(&[], &there)
                .unwrap_err()
                .contains("none is enrolled")
        );
        // What is not known speaks against nobody.
        let unknown = Candidate {
            free_bytes: None,
            majors: Vec::new(),
            ..agent("db3")
        };
        assert_eq!(placed(&[unknown], &there).unwrap(), "db3");
    }

    #[test]
    fn of_those_that_can_the_fitting_near_and_idle_one_goes_first() {
        let near = Need {
            near: Some("us".to_owned()),
            ..need()
        };
        let other_release = Candidate {
            majors: vec![16],
            ..agent("db2")
        };
        let busy = Candidate {
            load: 3,
            ..agent("db3")
        };
        let away = agent("db4");
        let here = Candidate {
            region: Some("us".to_owned()),
            load: 5,
            ..agent("db5")
        };
        let all = [other_release, busy, away, here];
        assert_eq!(placed(&all, &near).unwrap(), "db5");
        assert_eq!(placed(&all, &need()).unwrap(), "db4");
    }

    proptest! {
        #[test]
        fn a_point_is_in_its_window(from in 0i64..4_000_000_000, span in 0i64..100_000_000, random: u64) {
            let at = |second| Timestamp::from_second(second).unwrap();
            let window = (at(from), at(from + span));
            let point = point_in(window, random);
            prop_assert!(window.0 <= point && point <= window.1);
            prop_assert_eq!(point, point_in(window, random));
        }

        #[test]
        fn one_of_some_is_one_of_them(count in 0usize..20, random: u64) {
            let things: Vec<usize> = (0..count).collect();
            prop_assert_eq!(one_of(&things, random).is_some(), count > 0);
        }
    }

    #[test]
    fn every_point_of_a_short_window_comes_up() {
        let at = |milli| Timestamp::from_millisecond(milli).unwrap();
        let window = (at(10), at(13));
        let points: std::collections::BTreeSet<_> =
            (0..8).map(|random| point_in(window, random)).collect();
        assert_eq!(
            points.into_iter().collect::<Vec<_>>(),
            [at(10), at(11), at(12), at(13)]
        );
    }
}
