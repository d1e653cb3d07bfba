//! Spreading of work that would otherwise start at once: by a hash of what it
//! is for, so that everyone computes the same. What is derived here must not
//! change between releases: a node and an agent of different ones still agree.

use blake3::Hasher;
use jiff::Timestamp;

use crate::{Name, Span};

/// Where on its grid a schedule with `every` begins: a time of 0 up to, not
/// including, `period` (seconds).
pub(super) fn anchor(cluster: &Name, schedule: &Name, period: u64) -> u64 {
    let hasher = Hasher::new_derive_key("holdfast schedule 2026-12 anchor");
    number(hasher, cluster, schedule, &[]) % period.max(1)
}

/// How long after its due time a run waits: 0 to `most` (milliseconds).
pub(super) fn jitter(cluster: &Name, schedule: &Name, due: Timestamp, most: u64) -> u64 {
    let hasher = Hasher::new_derive_key("holdfast schedule 2026-12 jitter");
    let number = number(hasher, cluster, schedule, &due.as_second().to_le_bytes());
    number % most.saturating_add(1)
}

/// How much longer than others an agent waits before it follows its schedules
/// on its own: 0 to `most`. Agents that lost the control plane at the same
/// moment do not all begin at the same moment.
pub fn take_over_jitter(agent: &Name, most: Span) -> Span {
    let hasher = Hasher::new_derive_key("holdfast schedule 2026-12 take-over");
    let number = number(hasher, agent, agent, &[]);
    Span::from_millis(number % most.millis().saturating_add(1))
}

fn number(mut hasher: Hasher, cluster: &Name, schedule: &Name, rest: &[u8]) -> u64 {
    for part in [cluster, schedule] {
        hasher.update(part.as_str().as_bytes());
        // No name holds it, so that two pairs of names never look alike.
        hasher.update(&[0]);
    }
    hasher.update(rest);
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_derived_never_changes() {
        let due: Timestamp = "2026-07-25T02:00:00Z".parse().unwrap();
        let (orders, full) = (name("orders"), name("weekly-full"));
        assert_eq!(anchor(&orders, &full, 86_400), 72_319);
        assert_eq!(jitter(&orders, &full, due, 600_000), 226_322);
    }

    #[test]
    fn a_fleet_is_spread_evenly() {
        let due: Timestamp = "2026-07-25T02:00:00Z".parse().unwrap();
        let full = name("full");
        let mut tenths = [[0; 10]; 2];
        for cluster in 0..10_000 {
            let cluster = name(&format!("cluster-{cluster}"));
            let starts = [
                anchor(&cluster, &full, 1_000),
                jitter(&cluster, &full, due, 999),
            ];
            for (counts, start) in tenths.iter_mut().zip(starts) {
                counts[usize::try_from(start / 100).unwrap()] += 1;
            }
        }
        for count in tenths.concat() {
            assert!((850..1_150).contains(&count), "{tenths:?}");
        }
        let (a, b) = (name("a"), name("a-b"));
        assert_ne!(anchor(&a, &b, u64::MAX), anchor(&b, &a, u64::MAX));
        assert_eq!(jitter(&a, &b, due, 0), 0);
    }
}
