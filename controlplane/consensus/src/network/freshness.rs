//! How old what a follower holds may be: it knows only by hearing from its
//! leader how far the group had committed, and having applied that far.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::held;

#[derive(Debug, Default)]
pub(crate) struct Freshness(Mutex<Heard>);

#[derive(Debug, Default)]
struct Heard {
    /// The newest word from the leader: when, and up to where it had committed
    /// (one more than the index).
    newest: Option<(Instant, u64)>,
    /// The newest moment as of which everything committed is known to be
    /// applied here.
    current_at: Option<Instant>,
}

impl Freshness {
    /// The leader said at `now` that it has committed below `committed`, and
    /// this node has applied below `applied`.
    pub(crate) fn heard(&self, now: Instant, committed: u64, applied: u64) {
        let mut heard = held(&self.0);
        heard.settle(applied);
        heard.newest = Some((now, committed));
        heard.settle(applied);
    }

    /// How long ago what is applied below `applied` was all there was;
    /// `None` when no leader was ever heard.
    pub(crate) fn age(&self, now: Instant, applied: u64) -> Option<Duration> {
        let mut heard = held(&self.0);
        heard.settle(applied);
        let current_at = heard.current_at?;
        Some(now.saturating_duration_since(current_at))
    }
}

impl Heard {
    fn settle(&mut self, applied: u64) {
        if let Some((at, committed)) = self.newest
            && applied >= committed
        {
            self.current_at = Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn age_counts_from_the_last_moment_of_being_caught_up() {
        let freshness = Freshness::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(freshness.age(at(0), 10), None);
        freshness.heard(at(1), 10, 10);
        assert_eq!(freshness.age(at(3), 10), Some(Duration::from_secs(2)));
        // Behind: the age goes on counting from the earlier moment.
        freshness.heard(at(4), 12, 10);
        assert_eq!(freshness.age(at(5), 11), Some(Duration::from_secs(4)));
        // Caught up: what was heard at 4 is what it holds.
        assert_eq!(freshness.age(at(6), 12), Some(Duration::from_secs(2)));
    }
}
