//! How fast bytes may be sent to a store.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Lets so many bytes a second through, on average: an object waits until what went
/// before it has had its time. Whoever shares it shares the rate.
#[derive(Debug)]
pub(crate) struct Pace {
    bytes_per_second: u64,
    free_at: Mutex<Instant>,
}

impl Pace {
    pub(crate) fn new(bytes_per_second: u64) -> Self {
        Self {
            // None at all would wait for ever.
            bytes_per_second: bytes_per_second.max(1),
            free_at: Mutex::new(Instant::now()),
        }
    }

    /// Waits for the turn of `bytes`.
    pub(crate) async fn wait(&self, bytes: usize) {
        tokio::time::sleep_until(self.turn(bytes as u64, Instant::now())).await;
    }

    fn turn(&self, bytes: u64, now: Instant) -> Instant {
        let takes = u128::from(bytes) * 1_000_000_000 / u128::from(self.bytes_per_second);
        let takes = Duration::from_nanos(u64::try_from(takes).unwrap_or(u64::MAX));
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        // A pause is not made up for: what was not used then is lost.
        let turn = (*free_at).max(now);
        *free_at = turn.checked_add(takes).unwrap_or(turn);
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_shares_a_pace_is_no_faster_together() {
        let (pace, now) = (Pace::new(1_000), Instant::now());
        assert!(pace.turn(3_000, now) <= now);
        let second = pace.turn(1_000, now);
        let third = pace.turn(1, now);
        assert_eq!(third - second, SECOND);
        assert!(third - now <= 4 * SECOND && third - now > 3 * SECOND);
    }

    #[test]
    fn a_pause_is_not_made_up_for() {
        let (pace, now) = (Pace::new(1_000), Instant::now());
        pace.turn(1_000, now);
        let later = now + 60 * SECOND;
        assert_eq!(pace.turn(2_000, later), later);
        assert_eq!(pace.turn(1, later), later + 2 * SECOND);
    }

    #[tokio::test]
    async fn it_is_waited_for() {
        let pace = Pace::new(100_000);
        let began = Instant::now();
        for _ in 0..3 {
            pace.wait(10_000).await;
        }
        assert!(began.elapsed() >= Duration::from_millis(190));
    }
}
