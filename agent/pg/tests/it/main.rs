//! The crate against real PostgreSQL servers.

mod backup;
mod connect;
mod files;
mod server;
mod slots;
mod stream;
mod times;
mod tls;
mod waldump;

use std::time::{Duration, Instant};

/// Looks again and again until `condition` holds: for facts that no event
/// tells.
fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(20));
    }
}
