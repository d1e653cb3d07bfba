//! Where a restore is made, and from which copy.
//!
//! Both are decided from facts alone, and each candidate is told why it stands where it
//! does. What is known to be lost is never read first; what is only suspected is still
//! tried in the end.

use holdfast_types::restoring::{CopyToRead, PlacedOn};
use holdfast_types::{Name, RestoreTarget};
use jiff::Timestamp;

use super::drill::Candidate;

/// So much more than the database holds must be free where the disk is known.
const ROOM_TENTHS: u64 = 12;

/// What a restore needs of a host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Where the host must be.
    pub region: String,
    /// The release of the cluster's servers.
    pub major: Option<u32>,
    /// What the cluster holds.
    pub bytes: u64,
}

/// The agents of the region, those that can be taken first and in the order in which
/// they are, each with its reason. None of them is marked as chosen yet.
pub fn order_hosts(candidates: &[Candidate], wanted: &Wanted) -> Vec<(bool, PlacedOn)> {
    let mut here: Vec<&Candidate> = candidates
        .iter()
        .filter(|one| one.region.as_deref() == Some(wanted.region.as_str()))
        .collect();
    let knows = |one: &Candidate| {
        wanted
            .major
            .is_some_and(|major| one.majors.contains(&major))
    };
    here.sort_by_key(|one| {
        let free = std::cmp::Reverse(one.free_bytes.unwrap_or(0));
        (
            against(one, wanted).is_some(),
            !knows(one),
            one.load,
            free,
            &one.name,
        )
    });
    let told = here.into_iter().map(|one| {
        let reason = against(one, wanted);
        let placed = PlacedOn {
            agent: one.name.clone(),
            region: one.region.clone(),
            chosen: false,
            reason: reason.clone().unwrap_or_else(|| suits(one, wanted)),
        };
        (reason.is_none(), placed)
    });
    told.collect()
}

fn against(one: &Candidate, wanted: &Wanted) -> Option<String> {
    if !one.ready {
        return Some("it is offline".to_owned());
    }
    let room = wanted.bytes.saturating_mul(ROOM_TENTHS) / 10;
    match one.free_bytes {
        Some(free) if free < room => Some(format!(
            "it has too little room: {free} bytes are free, and {room} are needed"
        )),
        _ => None,
    }
}

fn suits(one: &Candidate, wanted: &Wanted) -> String {
    let version = match wanted.major {
        Some(major) if one.majors.contains(&major) => format!("it runs PostgreSQL {major}"),
        Some(major) => format!("whether it has PostgreSQL {major} is seen when it plans"),
        None => "the release of the cluster is not known".to_owned(),
    };
    let room = match one.free_bytes {
        Some(free) => format!("{free} bytes are free"),
        None => "its room is seen when it plans".to_owned(),
    };
    let load = match one.load {
        0 => "it is idle".to_owned(),
        1 => "it has one job".to_owned(),
        jobs => format!("it has {jobs} jobs"),
    };
    format!("{version}; {room}; {load}")
}

/// What is known of a repository that may hold what is to be restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// The repository.
    pub repository: Name,
    /// Its region.
    pub region: Option<String>,
    /// Whether the catalog has an available backup of the cluster in it.
    pub holds: bool,
    /// The latest commit that is known to be in it.
    pub frontier: Option<Timestamp>,
    /// What is known to be wrong with it.
    pub trouble: Option<String>,
    /// Whether the policy names it as the original.
    pub original: bool,
}

/// The copies in the order in which they are read: the healthy ones that hold what is
/// asked for, of those the ones in the region of the target, then the original.
pub fn order_copies(copies: Vec<Copy>, near: Option<&str>, at: &RestoreTarget) -> Vec<CopyToRead> {
    let sound = |copy: &&Copy| copy.holds && copy.trouble.is_none();
    let furthest = copies
        .iter()
        .filter(sound)
        .filter_map(|copy| copy.frontier)
        .max();
    let needed = match at {
        RestoreTarget::Latest => furthest,
        RestoreTarget::Time(time) => Some(*time),
        RestoreTarget::Lsn(_)
        | RestoreTarget::Xid(_)
        | RestoreTarget::Name(_)
        | RestoreTarget::Immediate
        | RestoreTarget::Backup(_) => None,
    };
    let behind = |copy: &Copy| needed.is_some_and(|needed| copy.frontier < Some(needed));
    let is_near = |copy: &Copy| near.is_some() && copy.region.as_deref() == near;
    let mut copies = copies;
    copies.sort_by_key(|copy| {
        let place = (copy.trouble.is_some(), !copy.holds, behind(copy));
        (
            place,
            !is_near(copy),
            !copy.original,
            copy.repository.clone(),
        )
    });
    let told = copies.into_iter().map(|copy| {
        let reason = if let Some(trouble) = &copy.trouble {
            trouble.clone()
        } else if !copy.holds {
            "the catalog has no available backup of the cluster in it".to_owned()
        } else if behind(&copy) {
            match copy.frontier {
                Some(frontier) => format!("it is behind: its last known commit is of {frontier}"),
                None => "how far it reaches is not known".to_owned(),
            }
        } else if is_near(&copy) {
            "it is in the region of the target".to_owned()
        } else if copy.original {
            "it is the repository of the policy".to_owned()
        } else {
            "it is a copy".to_owned()
        };
        CopyToRead {
            repository: copy.repository,
            region: copy.region,
            frontier: copy.frontier,
            reason,
        }
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use holdfast_types::AgentId;
    use uuid::Uuid;

    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    fn agent(text: &str, region: &str) -> Candidate {
        Candidate {
            id: AgentId::from_uuid(Uuid::from_u128(u128::from(text.as_bytes()[2]))),
            name: name(text),
            region: Some(region.to_owned()),
            ready: true,
            majors: vec![15],
            free_bytes: Some(1000),
            load: 0,
            drills: false,
        }
    }

    fn hosts(candidates: &[Candidate]) -> Vec<(bool, String, String)> {
        let wanted = Wanted {
            region: "b".to_owned(),
            major: Some(15),
            bytes: 100,
        };
        let ordered = order_hosts(candidates, &wanted);
        let plain =
            |(able, placed): (bool, PlacedOn)| (able, placed.agent.to_string(), placed.reason);
        ordered.into_iter().map(plain).collect()
    }

    #[test]
    fn every_host_of_the_region_is_told_why_and_no_other() {
        let offline = Candidate {
            ready: false,
            ..agent("db1", "b")
        };
        let full = Candidate {
            free_bytes: Some(119),
            ..agent("db2", "b")
        };
        let other = Candidate {
            majors: vec![16],
            free_bytes: None,
            ..agent("db3", "b")
        };
        let busy = Candidate {
            load: 2,
            ..agent("db4", "b")
        };
        let all = [
            offline,
            full,
            other,
            busy,
            agent("db5", "a"),
            agent("db6", "b"),
        ];
        let found = hosts(&all);
        let names: Vec<&str> = found.iter().map(|(_, name, _)| name.as_str()).collect();
        assert_eq!(names, ["db6", "db4", "db3", "db1", "db2"]);
        let able: Vec<bool> = found.iter().map(|(able, ..)| *able).collect();
        assert_eq!(able, [true, true, true, false, false]);
        assert!(found[0].2.contains("PostgreSQL 15") && found[0].2.contains("idle"));
        assert!(found[2].2.contains("seen when it plans"), "{found:?}");
        assert!(found[3].2.contains("offline"), "{found:?}");
        assert!(found[4].2.contains("too little room"), "{found:?}");
    }

    fn copy(text: &str, region: &str, second: i64) -> Copy {
        Copy {
            repository: name(text),
            region: Some(region.to_owned()),
            holds: true,
            frontier: Some(at(second)),
            trouble: None,
            original: false,
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn order(copies: &[Copy], near: Option<&str>, at: &RestoreTarget) -> Vec<String> {
        let ordered = order_copies(copies.to_vec(), near, at);
        ordered
            .iter()
            .map(|copy| copy.repository.to_string())
            .collect()
    }

    #[test]
    fn of_those_that_hold_the_point_the_nearest_is_read_first() {
        let original = Copy {
            original: true,
            ..copy("main", "a", 100)
        };
        let copies = [original, copy("far", "c", 100), copy("near", "b", 90)];
        let time = RestoreTarget::Time(at(80));
        assert_eq!(order(&copies, Some("b"), &time), ["near", "main", "far"]);
        assert_eq!(order(&copies, None, &time), ["main", "far", "near"]);
        // What lies behind its last commit is not in it.
        let time = RestoreTarget::Time(at(95));
        assert_eq!(order(&copies, Some("b"), &time), ["main", "far", "near"]);
        let latest = RestoreTarget::Latest;
        assert_eq!(order(&copies, Some("b"), &latest), ["main", "far", "near"]);
        let exact = RestoreTarget::Immediate;
        assert_eq!(order(&copies, Some("b"), &exact), ["near", "main", "far"]);
    }

    #[test]
    fn what_is_known_to_be_lost_is_read_last_and_is_no_measure() {
        let lost = Copy {
            original: true,
            trouble: Some("every agent of its region is offline".to_owned()),
            ..copy("main", "a", 100)
        };
        let empty = Copy {
            holds: false,
            frontier: None,
            ..copy("empty", "b", 0)
        };
        let copies = [lost, empty, copy("near", "b", 90)];
        let latest = RestoreTarget::Latest;
        assert_eq!(
            order(&copies, Some("b"), &latest),
            ["near", "empty", "main"]
        );
        let told = order_copies(copies.to_vec(), Some("b"), &latest);
        assert_eq!(told[0].reason, "it is in the region of the target");
        assert!(told[1].reason.contains("no available backup"), "{told:?}");
        assert!(told[2].reason.contains("offline"), "{told:?}");
    }
}
