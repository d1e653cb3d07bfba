//! Arithmetic on instants that neither wraps nor panics, whatever a document or
//! an agent says.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// The instant that is `by` later, or the last there is.
pub(crate) fn after(instant: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    instant.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// The instant that is `by` earlier, or the first there is.
pub(crate) fn before(instant: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    instant.checked_sub(by).unwrap_or(Timestamp::MIN)
}

/// How long it is from one instant to a later one; nothing when it is not later.
pub(crate) fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

/// A length in microseconds.
pub(crate) fn micros(length: Duration) -> u64 {
    u64::try_from(length.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_time_are_no_cliffs() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        assert_eq!(after(now, Duration::MAX), Timestamp::MAX);
        assert_eq!(before(now, Duration::MAX), Timestamp::MIN);
        assert_eq!(between(Timestamp::MAX, now), Duration::ZERO);
        assert_eq!(
            between(now, after(now, Duration::from_secs(3))).as_secs(),
            3
        );
        assert_eq!(micros(Duration::MAX), u64::MAX);
    }
}
