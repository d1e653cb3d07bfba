//! Failpoints: named places between two phases, at which a test ends the process as
//! abruptly as `kill -9` does, runs it again, and looks at what came of it.
//!
//! A name is `<verb>::<phase>::<moment>`, and [`POINTS`] has all of them: a name that
//! is not listed does not compile, and a listed one that is never reached fails a test
//! (`agent/tests/jobs/crash`, `tests/e2e/failpoints.rs`). Only with the feature `failpoints`, which nothing but tests
//! switches on, is there anything at such a place; then the environment says what:
//!
//! ```text
//! HOLDFAST_FAILPOINTS="backup::stop::done=kill;put::pack::after=kill(3)"
//! ```
//!
//! `kill(3)` is the third time that the place is reached. Everything else, such as
//! `sleep(1000)` or `pause`, is an action of the crate `fail`.

/// Every failpoint there is.
pub const POINTS: &[&str] = &[
    // A backup (agent/src/job/backup).
    "backup::prepare::done",
    "backup::start::done",
    "backup::copy::done",
    "backup::stop::done",
    "backup::wal::done",
    "backup::commit::done",
    // A logical dump (agent/src/job/dump).
    "dump::prepare::done",
    "dump::start::done",
    "dump::copy::done",
    "dump::verify::done",
    "dump::commit::done",
    // A restore (agent/src/job/restore).
    "restore::prepare::done",
    "restore::copy::done",
    "restore::wal::done",
    "restore::config::done",
    "restore::verify::synced",
    "restore::verify::placed",
    "restore::verify::done",
    "restore::replay::started",
    "restore::replay::done",
    "restore::promote::promoted",
    "restore::promote::done",
    "restore::check::done",
    "restore::hooks::done",
    // A database of a dump into a server (agent/src/job/restore_dump).
    "restore_dump::prepare::done",
    "restore_dump::extract::done",
    "restore_dump::start::done",
    "restore_dump::copy::done",
    "restore_dump::commit::done",
    // A copy in another repository (agent/src/job/copy, repo/src/copy).
    "copy::prepare::done",
    "copy::content::done",
    "copy::commit::done",
    "copy::wal::done",
    // WAL that is received (agent/src/wal/store.rs, receive.rs).
    "receive::segment::sealed",
    "receive::segment::put",
    "receive::slice::put",
    "receive::confirm::before",
    "receive::confirm::done",
    // WAL that PostgreSQL archives (agent/src/wal/push).
    "push::read::done",
    "push::put::done",
    "push::note::done",
    "push::answer::before",
    // Deleting what is condemned (controlplane/src/expiry).
    "expire::begin::done",
    "expire::marks::done",
    "expire::remains::done",
    "expire::wal::marked",
    "expire::wal::done",
    "expire::see::done",
    "expire::end::done",
    // What the repository puts (repo/src): before the store is asked, and after it
    // has answered.
    "put::pack::before",
    "put::pack::after",
    "put::section::before",
    "put::section::after",
    "put::mark::before",
    "put::mark::after",
    "put::wal::before",
    "put::wal::after",
];

/// Whether a name is in [`POINTS`], asked when it is compiled.
#[doc(hidden)]
pub const fn is_listed(name: &str) -> bool {
    let mut at = 0;
    while at < POINTS.len() {
        if is_same(POINTS[at].as_bytes(), name.as_bytes()) {
            return true;
        }
        at += 1;
    }
    false
}

const fn is_same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let mut at = 0;
    while at < one.len() {
        if one[at] != other[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// A failpoint: `failpoint!("backup::stop::done");`.
#[macro_export]
macro_rules! failpoint {
    ($name:literal) => {{
        const {
            assert!(
                $crate::failpoint::is_listed($name),
                "list it in repo/src/failpoint.rs"
            );
        }
        $crate::failpoint::reach($name);
    }};
}

/// Nothing, in what is shipped.
#[cfg(not(feature = "failpoints"))]
#[doc(hidden)]
#[inline(always)]
pub const fn reach(_: &str) {}

#[cfg(feature = "failpoints")]
#[doc(hidden)]
pub use armed::reach;

#[cfg(feature = "failpoints")]
mod armed {
    use std::sync::Once;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::is_listed;

    const VARIABLE: &str = "HOLDFAST_FAILPOINTS";

    /// Does what the environment says about this place.
    pub fn reach(name: &str) {
        static ARMED: Once = Once::new();
        ARMED.call_once(|| {
            let text = std::env::var(VARIABLE).unwrap_or_default();
            text.split(';').filter(|one| !one.is_empty()).for_each(arm);
        });
        fail::fail_point!(name);
    }

    /// A test that means another place than it says must not pass.
    fn arm(text: &str) {
        let parts = text.trim().split_once('=');
        let (name, action) = parts
            .filter(|(name, _)| is_listed(name))
            .unwrap_or_else(|| {
                panic!("{VARIABLE}: \"{text}\" is not a failpoint and an action");
            });
        let armed = match nth_kill(action) {
            Some(nth) => {
                let left = AtomicU32::new(nth);
                fail::cfg_callback(name, move || {
                    if left.fetch_sub(1, Ordering::SeqCst) == 1 {
                        die();
                    }
                })
            }
            None => fail::cfg(name, action),
        };
        armed.unwrap_or_else(|error| panic!("{VARIABLE}: \"{text}\": {error}"));
    }

    /// At which time `kill` or `kill(3)` kills.
    fn nth_kill(action: &str) -> Option<u32> {
        match action.strip_prefix("kill")? {
            "" => Some(1),
            nth => nth.strip_prefix('(')?.strip_suffix(')')?.parse().ok(),
        }
    }

    /// No destructor runs, nothing is flushed, nobody is told.
    fn die() {
        use rustix::process::{Signal, getpid, kill_process};
        let _ = kill_process(getpid(), Signal::KILL);
        // Until it has come; other threads may run for as long.
        loop {
            std::thread::park();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_verb_phase_and_moment_and_listed_once() {
        let mut seen = std::collections::BTreeSet::new();
        for name in POINTS {
            let parts: Vec<&str> = name.split("::").collect();
            let is_word = |part: &&str| {
                !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
            };
            assert!(parts.len() == 3 && parts.iter().all(is_word), "{name}");
            assert!(seen.insert(name), "{name} is listed twice");
            assert!(is_listed(name));
        }
        assert!(!is_listed("backup::stop") && !is_listed("backup::stop::gone"));
    }
}
