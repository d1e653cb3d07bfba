//! The control plane's time, as an agent can know it.
//!
//! Heartbeats measure how far this host's clock is from the control plane's,
//! as NTP does (RFC 5905, section 8). Frontiers are claims about time, so they
//! need the control plane's clock; before the first measurement there is no
//! such time, and [`Clock::now`] says so.
//!
//! Locally, time is read from a monotonic clock set to the wall clock once, at
//! the start: somebody who sets the host's clock changes no claim.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

/// Measurements that are kept: with the usual heartbeat, the last 40 seconds.
const SAMPLES: usize = 8;

/// One exchange with the control plane. The agent's times are those of
/// [`Clock::local_now`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// When the agent asked, on its own clock.
    pub agent_sent: Timestamp,
    /// When the control plane received that, on its clock.
    pub control_received: Timestamp,
    /// When the control plane answered, on its clock.
    pub control_sent: Timestamp,
    /// When the agent received the answer, on its own clock.
    pub agent_received: Timestamp,
}

/// How far the control plane's clock is ahead of this host's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offset {
    /// To be added to the local time.
    pub ahead: SignedDuration,
    /// The time the messages were on their way, there and back: the true
    /// offset is at most half of this away.
    pub delay: SignedDuration,
}

impl Sample {
    /// What this exchange says of the clocks, unless it contradicts itself:
    /// an answer cannot take less time than the control plane spent on it.
    pub fn offset(&self) -> Option<Offset> {
        let there = self.control_received.duration_since(self.agent_sent);
        let back = self.agent_received.duration_since(self.control_sent);
        let delay = there.checked_add(back)?;
        let ahead = there.checked_sub(back)? / 2;
        (!delay.is_negative()).then_some(Offset { ahead, delay })
    }
}

impl Offset {
    /// Whether one offset may explain both measurements.
    fn agrees_with(&self, other: &Self) -> bool {
        let apart = (self.ahead - other.ahead).abs();
        // Two milliseconds for what two clocks drift apart between samples.
        let allowed = (self.delay + other.delay) / 2 + SignedDuration::from_millis(2);
        apart <= allowed
    }
}

/// The control plane's clock, estimated.
#[derive(Debug, Clone)]
pub struct Clock {
    start: Timestamp,
    started: Instant,
    samples: Arc<Mutex<VecDeque<Offset>>>,
}

impl Clock {
    /// A clock that has measured nothing yet.
    pub fn new() -> Self {
        Self {
            start: Timestamp::now(),
            started: Instant::now(),
            samples: Arc::default(),
        }
    }

    /// This host's own time, steady since the process began.
    pub fn local_now(&self) -> Timestamp {
        let elapsed = SignedDuration::try_from(self.started.elapsed());
        let now = elapsed
            .ok()
            .and_then(|elapsed| self.start.checked_add(elapsed).ok());
        now.unwrap_or(Timestamp::MAX)
    }

    /// The control plane's time now; `None` until it has been measured.
    pub fn now(&self) -> Option<Timestamp> {
        self.correct(self.local_now())
    }

    /// The control plane's time now, or the host's own while that is unknown:
    /// good enough to be shown, not good enough for a claim (I-13).
    pub fn now_or_local(&self) -> Timestamp {
        let local = self.local_now();
        self.correct(local).unwrap_or(local)
    }

    /// The control plane's time at a time of [`Clock::local_now`].
    pub fn correct(&self, local: Timestamp) -> Option<Timestamp> {
        local.checked_add(self.offset()?.ahead).ok()
    }

    /// The best of the recent measurements: the one whose messages were on
    /// their way for the shortest time.
    pub fn offset(&self) -> Option<Offset> {
        self.with_samples(|samples| samples.iter().min_by_key(|offset| offset.delay).copied())
    }

    /// Takes a measurement. One that contradicts the others means that a clock
    /// was set, the host slept, or another node answers: the others are old.
    pub fn measure(&self, sample: &Sample) {
        let Some(offset) = sample.offset() else {
            return;
        };
        self.with_samples(|samples| {
            if samples.iter().any(|known| !known.agrees_with(&offset)) {
                samples.clear();
            }
            if samples.len() == SAMPLES {
                samples.pop_front();
            }
            samples.push_back(offset);
        });
    }

    fn with_samples<T>(&self, act: impl FnOnce(&mut VecDeque<Offset>) -> T) -> T {
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        act(&mut samples)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(millis).unwrap()
    }

    /// The control plane is `ahead`; the messages take `there` and `back`.
    fn sample(sent: i64, ahead: i64, there: i64, back: i64) -> Sample {
        let control_received = at(sent + there + ahead);
        let control_sent = at(sent + there + ahead + 3);
        Sample {
            agent_sent: at(sent),
            control_received,
            control_sent,
            agent_received: at(sent + there + 3 + back),
        }
    }

    #[test]
    fn a_symmetric_exchange_gives_the_exact_offset() {
        let offset = sample(1_000, -700, 20, 20).offset().unwrap();
        assert_eq!(offset.ahead, SignedDuration::from_millis(-700));
        assert_eq!(offset.delay, SignedDuration::from_millis(40));
    }

    #[test]
    fn the_error_is_at_most_half_of_the_delay() {
        let offset = sample(1_000, 500, 90, 10).offset().unwrap();
        let error = (offset.ahead - SignedDuration::from_millis(500)).abs();
        assert_eq!(error, SignedDuration::from_millis(40));
        assert!(error <= offset.delay / 2);
    }

    #[test]
    fn the_quickest_recent_exchange_decides() {
        let clock = Clock::new();
        assert_eq!(clock.now(), None, "nothing was measured");
        clock.measure(&sample(0, 500, 90, 10));
        clock.measure(&sample(5_000, 500, 2, 2));
        clock.measure(&sample(10_000, 500, 10, 60));
        assert_eq!(clock.correct(at(20_000)), Some(at(20_500)));
        for turn in 1..=SAMPLES {
            let turn = i64::try_from(turn).unwrap();
            clock.measure(&sample(10_000 + turn * 5_000, 500, 30, 20));
        }
        assert_eq!(
            clock.correct(at(20_000)),
            Some(at(20_505)),
            "the quick one is too old"
        );
    }

    #[test]
    fn a_clock_that_was_set_makes_older_measurements_void() {
        let clock = Clock::new();
        clock.measure(&sample(0, 500, 1, 1));
        clock.measure(&sample(5_000, 90_000, 40, 40));
        assert_eq!(clock.correct(at(0)), Some(at(90_000)));
    }

    #[test]
    fn an_answer_from_before_the_question_says_nothing() {
        let mut sample = sample(1_000, 0, 5, 5);
        sample.control_sent = at(5_000);
        assert_eq!(sample.offset(), None);
    }
}
