//! Growing, jittered pauses between attempts, so that a fleet that lost the
//! same thing does not come back at the same instant.

use std::time::Duration;

/// Pauses that double from `first` to `longest`.
#[derive(Debug, Clone)]
pub(super) struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    pub(super) const fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            next: first,
        }
    }

    /// For a server or a store that is away.
    pub(super) const fn patient() -> Self {
        Self::new(Duration::from_millis(250), Duration::from_secs(30))
    }

    /// The next pause: between half of the step and all of it.
    pub(super) fn pause(&mut self) -> Duration {
        let step = self.next;
        self.next = step.saturating_mul(2).min(self.longest);
        // A random UUID is at hand and random enough to spread out agents.
        let random = u32::try_from(uuid::Uuid::new_v4().as_u128() % 1_000).unwrap_or_default();
        step / 2 + step / 2 * random / 1_000
    }

    /// It went well: start over.
    pub(super) const fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_longest_and_start_over() {
        let (first, longest) = (Duration::from_millis(100), Duration::from_secs(1));
        let mut backoff = Backoff::new(first, longest);
        for expected in [100, 200, 400, 800, 1_000, 1_000] {
            let step = Duration::from_millis(expected);
            let pause = backoff.pause();
            assert!(pause >= step / 2 && pause <= step, "{pause:?} of {step:?}");
        }
        backoff.reset();
        assert!(backoff.pause() <= first);
    }
}
