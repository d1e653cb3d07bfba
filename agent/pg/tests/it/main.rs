//! The crate against real PostgreSQL servers.
#![expect(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, not in their helpers"
)]

mod backup;
mod connect;
mod control;
mod exclusions;
mod pages;
mod server;
mod slots;
mod stream;
mod tails;
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

/// Waits for something that must come soon, so that a bug is a failure and
/// not a hang.
async fn soon<T>(what: &str, event: impl Future<Output = T>) -> T {
    let patience = Duration::from_secs(60);
    match tokio::time::timeout(patience, event).await {
        Ok(value) => value,
        Err(_) => panic!("{what} did not come"),
    }
}
