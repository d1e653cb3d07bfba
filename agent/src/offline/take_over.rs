//! When the agent follows its schedules on its own: after no quorum has been
//! proved to it for a period that no restart of a node and no reconnect lasts.
//!
//! Being wrong is waste and never harm: should the control plane take a run at
//! the same time, the key of the commit mark settles whose backup counts (I-03).

use std::time::{Duration, Instant};

use crate::host::SessionState;

/// How long a session that has just come up may take to prove a quorum.
const PROVES_WITHIN: Duration = Duration::from_secs(10);

/// What the agent has been told of a quorum.
#[derive(Debug)]
pub(super) struct TakeOver {
    after: Duration,
    /// The last proof; before the first, the start of the process.
    proved: Instant,
    /// When the first session since then came up. Only the first: sessions that
    /// come and go without a proof do not put it off for ever.
    connected: Option<Instant>,
    /// The process before this one was on its own.
    resumes: bool,
}

impl TakeOver {
    pub(super) fn new(after: Duration, started: Instant, resumes: bool) -> Self {
        Self {
            after,
            proved: started,
            connected: None,
            resumes,
        }
    }

    /// Whether the agent is on its own.
    pub(super) fn is_on_its_own(&mut self, session: SessionState, now: Instant) -> bool {
        if let Some(proved) = session.quorum_at
            && proved > self.proved
        {
            self.proved = proved;
            self.connected = None;
            self.resumes = false;
        }
        if session.connected {
            self.connected.get_or_insert(now);
        }
        let proving = self
            .connected
            .is_some_and(|since| now.duration_since(since) < PROVES_WITHIN);
        if session.connected && proving {
            return false;
        }
        self.resumes || now.saturating_duration_since(self.proved) >= self.after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AFTER: Duration = Duration::from_secs(30);

    fn session(connected: bool, quorum_at: Option<Instant>) -> SessionState {
        SessionState {
            connected,
            quorum_at,
        }
    }

    #[test]
    fn it_takes_over_when_no_quorum_was_proved_for_long() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut take_over = TakeOver::new(AFTER, start, false);
        assert!(!take_over.is_on_its_own(session(false, None), at(29)));
        assert!(take_over.is_on_its_own(session(false, None), at(30)));

        let proved = session(true, Some(at(40)));
        assert!(!take_over.is_on_its_own(proved, at(40)));
        // A new session knows no proof of its own; the last one still counts.
        assert!(!take_over.is_on_its_own(session(false, None), at(69)));
        assert!(take_over.is_on_its_own(session(false, None), at(70)));
    }

    #[test]
    fn a_session_without_a_quorum_is_no_control_plane() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut take_over = TakeOver::new(AFTER, start, false);
        let minority = session(true, None);
        assert!(
            !take_over.is_on_its_own(minority, at(35)),
            "it may prove one"
        );
        assert!(!take_over.is_on_its_own(minority, at(44)));
        assert!(take_over.is_on_its_own(minority, at(45)));
        assert!(take_over.is_on_its_own(session(false, None), at(46)));
        // Another that comes and goes puts nothing off.
        assert!(take_over.is_on_its_own(minority, at(47)));
    }

    #[test]
    fn a_restart_on_its_own_goes_on() {
        let start = Instant::now();
        let mut take_over = TakeOver::new(AFTER, start, true);
        assert!(take_over.is_on_its_own(session(false, None), start));
        let proved = session(true, Some(start + Duration::from_secs(1)));
        assert!(!take_over.is_on_its_own(proved, start + Duration::from_secs(1)));
        let gone = session(false, None);
        assert!(!take_over.is_on_its_own(gone, start + Duration::from_secs(5)));
    }
}
