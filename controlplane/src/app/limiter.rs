//! Slows down whoever guesses passwords: per user and address, after a few
//! failures each further try waits twice as long.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Failures that cost nothing: people mistype.
const FREE: u32 = 5;
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(300);
/// After this long without a failure all is forgotten.
const FORGET: Duration = Duration::from_secs(900);
/// Pairs that are remembered at most; beyond, the oldest goes.
const MOST: usize = 10_000;

type Key = (String, Option<IpAddr>);

/// Remembers failed logins, in memory: a restart forgives.
#[derive(Debug, Default)]
pub(super) struct LoginLimiter(Mutex<BTreeMap<Key, Failures>>);

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
}

impl Failures {
    fn wait(self, now: Instant) -> Option<Duration> {
        let beyond = self.count.checked_sub(FREE)?;
        let wait = Duration::from_secs(1)
            .saturating_mul(1 << beyond.min(16))
            .min(LONGEST);
        wait.checked_sub(now.duration_since(self.last))
            .filter(|left| !left.is_zero())
    }
}

impl LoginLimiter {
    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<Key, Failures>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How long this user must wait at this address; `None`: try.
    pub(super) fn wait(&self, user: &str, from: Option<IpAddr>, now: Instant) -> Option<Duration> {
        let key = (user.to_owned(), from);
        self.with(|known| known.get(&key).and_then(|failures| failures.wait(now)))
    }

    /// A login failed.
    pub(super) fn failed(&self, user: &str, from: Option<IpAddr>, now: Instant) {
        self.with(|known| {
            known.retain(|_, failures| now.duration_since(failures.last) < FORGET);
            if known.len() >= MOST {
                let oldest = known.iter().min_by_key(|(_, failures)| failures.last);
                if let Some(key) = oldest.map(|(key, _)| key.clone()) {
                    known.remove(&key);
                }
            }
            let entry = known.entry((user.to_owned(), from)).or_insert(Failures {
                count: 0,
                last: now,
            });
            entry.count = entry.count.saturating_add(1);
            entry.last = now;
        });
    }

    /// A login succeeded.
    pub(super) fn succeeded(&self, user: &str, from: Option<IpAddr>) {
        self.with(|known| known.remove(&(user.to_owned(), from)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guessing_gets_slower_and_success_forgives() {
        let limiter = LoginLimiter::default();
        let (here, there) = ("10.0.0.1".parse().ok(), "10.0.0.2".parse().ok());
        let now = Instant::now();
        for _ in 0..4 {
            limiter.failed("ada", here, now);
        }
        assert_eq!(limiter.wait("ada", here, now), None);
        limiter.failed("ada", here, now);
        assert_eq!(limiter.wait("ada", here, now), Some(Duration::from_secs(1)));
        limiter.failed("ada", here, now);
        assert_eq!(limiter.wait("ada", here, now), Some(Duration::from_secs(2)));
        assert_eq!(
            limiter.wait("ada", here, now + Duration::from_secs(3)),
            None
        );
        assert_eq!(limiter.wait("ada", there, now), None);
        for _ in 0..40 {
            limiter.failed("ada", here, now);
        }
        assert_eq!(limiter.wait("ada", here, now), Some(LONGEST));
        limiter.succeeded("ada", here);
        assert_eq!(limiter.wait("ada", here, now), None);
    }
}
