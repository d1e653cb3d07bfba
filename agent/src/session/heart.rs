//! Heartbeats: liveness, the clock, and the proof of a quorum.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use holdfast_proto::v1;
use jiff::Timestamp;

use crate::host::{Clock, Sample, SessionState};

/// Heartbeats whose answers are still awaited; older ones count as lost.
const AWAITED: usize = 32;

/// The heartbeats of one session.
#[derive(Debug)]
pub(super) struct Heart {
    clock: Clock,
    awaited: VecDeque<(Timestamp, Instant)>,
    answered_at: Instant,
    quorum_at: Option<Instant>,
}

impl Heart {
    pub(super) fn new(clock: Clock) -> Self {
        let awaited = VecDeque::with_capacity(AWAITED);
        Self {
            clock,
            awaited,
            answered_at: Instant::now(),
            quorum_at: None,
        }
    }

    /// The next heartbeat, to be sent at once. It says whether a report of what
    /// the agent did on its own is owed.
    pub(super) fn beat(&mut self, offline_unsettled: bool) -> v1::Heartbeat {
        // The answer names this time in microseconds and is matched by it.
        let now = self.clock.local_now().as_microsecond();
        let sent = Timestamp::from_microsecond(now).unwrap_or(Timestamp::MAX);
        if self.awaited.len() == AWAITED {
            self.awaited.pop_front();
        }
        self.awaited.push_back((sent, Instant::now()));
        v1::Heartbeat {
            sent_at_us: now,
            offline_unsettled,
        }
    }

    /// Takes an answer. One to a heartbeat that this session did not send
    /// proves nothing.
    pub(super) fn answered(&mut self, answer: &v1::HeartbeatAnswer) -> Option<SessionState> {
        let agent_received = self.clock.local_now();
        let place = self
            .awaited
            .iter()
            .position(|(sent, _)| sent.as_microsecond() == answer.agent_sent_at_us)?;
        let (agent_sent, asked_at) = self.awaited.remove(place)?;
        self.answered_at = Instant::now();
        let times = (
            Timestamp::from_microsecond(answer.received_at_us),
            Timestamp::from_microsecond(answer.sent_at_us),
        );
        if let (Ok(control_received), Ok(control_sent)) = times {
            let sample = Sample {
                agent_sent,
                control_received,
                control_sent,
                agent_received,
            };
            self.clock.measure(&sample);
        }
        if answer.quorum {
            self.quorum_at = self.quorum_at.max(Some(asked_at));
        }
        Some(SessionState {
            connected: true,
            quorum_at: self.quorum_at,
        })
    }

    /// How long nothing has been answered.
    pub(super) fn silent_for(&self) -> Duration {
        self.answered_at.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(beat: &v1::Heartbeat, quorum: bool) -> v1::HeartbeatAnswer {
        let ahead = beat.sent_at_us + 3_000_000;
        let agent_sent_at_us = beat.sent_at_us;
        v1::HeartbeatAnswer {
            agent_sent_at_us,
            received_at_us: ahead,
            sent_at_us: ahead,
            quorum,
        }
    }

    #[test]
    fn an_answer_measures_the_clock_and_proves_the_quorum_of_its_question() {
        let clock = Clock::new();
        let mut heart = Heart::new(clock.clone());
        let before = Instant::now();
        let first = heart.beat(false);
        let state = heart.answered(&answer(&first, true)).unwrap();
        let proved = state.quorum_at.unwrap();
        assert!(state.connected && proved >= before && proved <= Instant::now());
        let ahead = clock.offset().unwrap().ahead.as_millis();
        assert!((2_900..=3_000).contains(&ahead), "{ahead}");

        assert_eq!(heart.answered(&answer(&first, true)), None, "answered once");
        let second = heart.beat(false);
        let state = heart.answered(&answer(&second, false)).unwrap();
        assert_eq!(
            state.quorum_at,
            Some(proved),
            "no quorum makes no proof younger"
        );
    }
}
