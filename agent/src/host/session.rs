//! Whether the agent speaks with the control plane, and what that proves.

use std::time::{Duration, Instant};

/// The session as the rest of the agent sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SessionState {
    /// Whether the control plane has welcomed this agent and the stream lives.
    pub connected: bool,
    /// When this agent last asked a question that the control plane answered
    /// with a quorum: its own time of asking, so that the answer's way home
    /// does not make the proof look younger than it is.
    pub quorum_at: Option<Instant>,
}

impl SessionState {
    /// Whether the session is up and a quorum was proved at most `age` ago.
    /// Condemning, deleting and overwriting ask this at the moment they act
    /// (I-04).
    pub fn has_quorum_within(&self, age: Duration) -> bool {
        self.connected && self.quorum_at.is_some_and(|at| at.elapsed() <= age)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // I-04
    #[test]
    fn a_quorum_counts_only_while_it_is_fresh_and_the_session_is_up() {
        let now = Instant::now();
        let fresh = SessionState {
            connected: true,
            quorum_at: Some(now),
        };
        assert!(fresh.has_quorum_within(Duration::from_secs(60)));
        assert!(
            !SessionState {
                connected: false,
                ..fresh
            }
            .has_quorum_within(Duration::MAX)
        );
        assert!(
            !SessionState {
                quorum_at: None,
                ..fresh
            }
            .has_quorum_within(Duration::MAX)
        );
        let Some(earlier) = now.checked_sub(Duration::from_secs(5)) else {
            return;
        };
        let stale = SessionState {
            quorum_at: Some(earlier),
            ..fresh
        };
        assert!(!stale.has_quorum_within(Duration::from_secs(4)));
    }
}
