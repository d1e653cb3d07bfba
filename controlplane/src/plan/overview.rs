//! The list of clusters for people: which of thousands are shown, in which order, and how
//! many there are of each kind. All of them are judged before; this only chooses.

use std::collections::BTreeMap;

use holdfast_types::drill::NotProven;
use holdfast_types::resource::{Labels, selects};
use holdfast_types::{Compliance, Name};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A cluster, as far as it is chosen by.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    pub(crate) name: Name,
    pub(crate) fleet: Name,
    pub(crate) labels: Labels,
    pub(crate) policy: Option<Name>,
    pub(crate) status: Option<Compliance>,
    /// Why its drills prove nothing; `None` when they do.
    pub(crate) unproven: Option<NotProven>,
    /// Now without its exposure; `None` when nothing could be restored.
    pub(crate) frontier: Option<Timestamp>,
    /// What would be lost.
    pub(crate) exposure_seconds: Option<f64>,
    /// What may be.
    pub(crate) rpo_seconds: Option<f64>,
}

/// The word for clusters whose drills prove that they can be restored.
const PROVEN: &str = "proven";

/// In which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Order {
    /// Who would lose most first: those of whom nothing could be restored, then by the
    /// age of what could.
    #[default]
    Exposure,
    /// Who would lose most of what may be lost first: those of whom nothing could be
    /// restored, then by how many times the RPO it is, then those without an RPO.
    Rpo,
    /// By name.
    Name,
}

/// What somebody wants to see.
#[derive(Debug, Clone, Default)]
pub(crate) struct Choice {
    /// In one of these states; in any when there is none. `None` is without a verdict.
    pub(crate) statuses: Vec<Option<Compliance>>,
    pub(crate) fleet: Option<Name>,
    /// With all of these labels.
    pub(crate) labels: Labels,
    pub(crate) policy: Option<Name>,
    /// With this in the name, in small letters as names are.
    pub(crate) text: Option<String>,
    pub(crate) order: Order,
}

/// Where a page ended. The frontier and not the exposure, which grows while somebody turns
/// pages.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Key {
    frontier: Option<Timestamp>,
    /// Lower is worse; of the order by RPO only.
    #[serde(default)]
    height: i64,
    name: Name,
}

/// What is shown.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Chosen {
    /// How many fit, on all pages.
    pub(crate) total: u64,
    /// How many fit but for their state, by that; `NONE` without a verdict.
    pub(crate) counts: BTreeMap<&'static str, u64>,
    /// The same by what their drills prove.
    pub(crate) proofs: BTreeMap<&'static str, u64>,
    /// Those of this page, in order, and one more if another page follows.
    pub(crate) lines: Vec<Line>,
}

impl Line {
    pub(crate) fn key(&self, order: Order) -> Key {
        Key {
            frontier: match order {
                Order::Exposure => self.frontier,
                Order::Rpo | Order::Name => None,
            },
            height: match order {
                Order::Rpo => self.height(),
                Order::Exposure | Order::Name => 0,
            },
            name: self.name.clone(),
        }
    }
}

impl Line {
    /// Millionths of the RPO that would be lost, as a negative number.
    fn height(&self) -> i64 {
        let Some(exposure) = self.exposure_seconds else {
            return i64::MIN;
        };
        // Without an RPO nothing is too much: behind all that would lose anything of one.
        let Some(rpo) = self.rpo_seconds else {
            return 1;
        };
        // An RPO of nothing is exceeded by anything; the cast saturates.
        #[expect(clippy::cast_possible_truncation, reason = "it saturates")]
        let height = (exposure / rpo.max(0.001) * 1e6) as i64;
        height.saturating_neg()
    }
}

/// Chooses at most `limit` and one more, behind `after`.
pub(crate) fn choose(
    lines: Vec<Line>,
    choice: &Choice,
    after: Option<&Key>,
    limit: usize,
) -> Chosen {
    let mut chosen = Chosen::default();
    let mut fitting = Vec::new();
    for line in lines.into_iter().filter(|line| fits(line, choice)) {
        let status = line.status.map_or("NONE", Compliance::as_str);
        *chosen.counts.entry(status).or_default() += 1;
        let proof = line.unproven.map_or(PROVEN, NotProven::as_str);
        *chosen.proofs.entry(proof).or_default() += 1;
        if choice.statuses.is_empty() || choice.statuses.contains(&line.status) {
            fitting.push(line);
        }
    }
    chosen.total = fitting.len() as u64;
    fitting.sort_by_cached_key(|line| line.key(choice.order));
    let behind = fitting
        .into_iter()
        .filter(|line| after.is_none_or(|after| line.key(choice.order) > *after));
    chosen.lines = behind.take(limit.saturating_add(1)).collect();
    chosen
}

fn fits(line: &Line, choice: &Choice) -> bool {
    let same = |wanted: &Option<Name>, is: Option<&Name>| {
        wanted.as_ref().is_none_or(|wanted| Some(wanted) == is)
    };
    let text = choice.text.as_deref();
    same(&choice.fleet, Some(&line.fleet))
        && same(&choice.policy, line.policy.as_ref())
        && text.is_none_or(|text| line.name.as_str().contains(text))
        && selects(&choice.labels, &line.labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, status: Option<Compliance>, frontier: Option<i64>) -> Line {
        Line {
            name: name.parse().unwrap(),
            fleet: "default".parse().unwrap(),
            labels: Labels::new(),
            policy: None,
            status,
            unproven: (status != Some(Compliance::Compliant)).then_some(NotProven::NoDrill),
            frontier: frontier.map(|second| Timestamp::from_second(second).unwrap()),
            exposure_seconds: frontier.map(|second| (100 - second) as f64),
            rpo_seconds: status.map(|_| 30.0),
        }
    }

    fn some() -> Vec<Line> {
        vec![
            line("alpha", Some(Compliance::Compliant), Some(90)),
            line("beta", Some(Compliance::Violated), Some(10)),
            line("gamma", Some(Compliance::Unprotected), None),
            line("delta", Some(Compliance::Compliant), Some(90)),
            line("epsilon", None, Some(50)),
        ]
    }

    fn names(chosen: &Chosen) -> Vec<&str> {
        chosen.lines.iter().map(|line| line.name.as_str()).collect()
    }

    #[test]
    fn who_would_lose_most_is_first_and_pages_follow_each_other() {
        let choice = Choice::default();
        let all = choose(some(), &choice, None, 10);
        assert_eq!(names(&all), ["gamma", "beta", "epsilon", "alpha", "delta"]);
        assert_eq!(
            (all.total, all.counts["COMPLIANT"], all.counts["NONE"]),
            (5, 2, 1)
        );
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = choose(some(), &choice, after.as_ref(), 2);
            assert_eq!(page.total, 5);
            let shown = page.lines.iter().take(2);
            seen.extend(shown.map(|line| line.name.to_string()));
            if page.lines.len() <= 2 {
                break;
            }
            after = Some(page.lines[1].key(choice.order));
        }
        assert_eq!(seen, names(&all));
    }

    #[test]
    fn who_would_lose_most_of_their_rpo_is_first() {
        let by = |lines: Vec<Line>| {
            let choice = Choice {
                order: Order::Rpo,
                ..Choice::default()
            };
            let (mut seen, mut after) = (Vec::new(), None);
            loop {
                let page = choose(lines.clone(), &choice, after.as_ref(), 2);
                let shown = page.lines.iter().take(2);
                seen.extend(shown.map(|line| line.name.to_string()));
                if page.lines.len() <= 2 {
                    return seen.join(" ");
                }
                after = Some(page.lines[1].key(choice.order));
            }
        };
        // One without an RPO is last, whatever it would lose.
        assert_eq!(by(some()), "gamma beta alpha delta epsilon");
        let mut lines = some();
        lines[0].rpo_seconds = Some(0.0); // nothing may be lost
        lines[3].rpo_seconds = Some(3.0); // 3.3 times
        assert_eq!(by(lines), "gamma alpha delta beta epsilon");
    }

    #[test]
    fn a_state_that_is_not_asked_for_is_counted_and_not_shown() {
        let choice = Choice {
            statuses: vec![Some(Compliance::Violated), None],
            order: Order::Name,
            ..Choice::default()
        };
        let found = choose(some(), &choice, None, 10);
        assert_eq!(names(&found), ["beta", "epsilon"]);
        assert_eq!((found.total, found.counts.values().sum::<u64>()), (2, 5));
        // Its proof too.
        assert_eq!((found.proofs[PROVEN], found.proofs["no_drill"]), (2, 3));
    }

    #[test]
    fn what_does_not_fit_is_neither() {
        let mut lines = some();
        lines[0].fleet = "web".parse().unwrap();
        lines[1].labels.insert("tier".to_owned(), "gold".to_owned());
        lines[2].policy = Some("gold".parse().unwrap());
        let only = |choice: Choice| {
            let found = choose(lines.clone(), &choice, None, 10);
            assert_eq!(found.total, found.counts.values().sum::<u64>());
            names(&found).join(" ")
        };
        let fleet = Choice {
            fleet: Some("web".parse().unwrap()),
            ..Choice::default()
        };
        assert_eq!(only(fleet), "alpha");
        let labels = Choice {
            labels: lines[1].labels.clone(),
            ..Choice::default()
        };
        assert_eq!(only(labels), "beta");
        let policy = Choice {
            policy: Some("gold".parse().unwrap()),
            ..Choice::default()
        };
        assert_eq!(only(policy), "gamma");
        let text = Choice {
            text: Some("lt".to_owned()),
            ..Choice::default()
        };
        assert_eq!(only(text), "delta");
    }
}
