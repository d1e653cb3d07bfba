//! What is no longer named, and when that is believed.
//!
//! A set of assignments that lacks something may come from a node that has not
//! applied the newest state yet. Ending a job for that would lose it, and
//! dropping a slot would lose WAL. So what is missing goes on until a quorum
//! has been proved some time after the set came, and no other set has come
//! since: then the node was up to date, and still did not name it (I-04).
//! What goes on meanwhile is a duplicate at worst, and reports under its own
//! generation.

use std::time::{Duration, Instant};

use crate::host::SessionState;

/// How long a node that is behind may take to send what it has caught up with.
const CAUGHT_UP: Duration = Duration::from_secs(2);
/// How old the proof may be when it is acted upon (I-04).
const QUORUM_AGE: Duration = Duration::from_secs(15);

/// Since when something has not been named.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Unwanted(Option<Instant>);

impl Unwanted {
    /// Takes note of another set.
    pub(super) fn note(&mut self, named: bool) {
        self.0 = if named {
            None
        } else {
            self.0.or_else(|| Some(Instant::now()))
        };
    }

    /// Whether it waits for confirmation.
    pub(super) const fn waits(self) -> bool {
        self.0.is_some()
    }

    /// Whether it is to end.
    pub(super) fn is_confirmed(self, session: SessionState) -> bool {
        let (Some(since), Some(proved)) = (self.0, session.quorum_at) else {
            return false;
        };
        session.has_quorum_within(QUORUM_AGE) && proved >= since + CAUGHT_UP
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // I-04
    #[test]
    fn only_a_quorum_proved_later_confirms_it() {
        let now = Instant::now();
        let Some(before) = now.checked_sub(Duration::from_secs(10)) else {
            return;
        };
        let unwanted = Unwanted(Some(before));
        let proved = |at: Instant| SessionState {
            connected: true,
            quorum_at: Some(at),
        };
        assert!(
            !unwanted.is_confirmed(proved(before)),
            "it may be what the stale node believed"
        );
        assert!(!unwanted.is_confirmed(proved(before + Duration::from_secs(1))));
        let later = proved(before + CAUGHT_UP);
        assert!(unwanted.is_confirmed(later));
        assert!(!unwanted.is_confirmed(SessionState {
            connected: false,
            ..later
        }));
        assert!(
            !Unwanted::default().is_confirmed(proved(now)),
            "it is named"
        );
    }

    #[test]
    fn it_counts_from_the_first_set_that_lacks_it_and_a_name_takes_it_back() {
        let mut unwanted = Unwanted::default();
        unwanted.note(false);
        let since = unwanted;
        unwanted.note(false);
        assert_eq!(unwanted, since);
        unwanted.note(true);
        assert!(!unwanted.waits());
    }
}
