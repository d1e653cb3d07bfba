//! Waiting for something to become true, with a deadline and never blindly.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often a condition is looked at.
const EVERY: Duration = Duration::from_millis(50);

/// Polls `look` until it yields something.
///
/// # Panics
/// When the deadline passes: the message names what was waited for.
pub fn until<T>(what: &str, deadline: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            started.elapsed() < deadline,
            "waited {deadline:?} in vain for {what}"
        );
        sleep(EVERY);
    }
}
