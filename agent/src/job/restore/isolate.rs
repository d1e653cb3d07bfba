//! What keeps a restored server to itself while it is only looked at.
//!
//! It listens to nothing but its socket in a directory that nobody else enters, asks
//! nobody for WAL, archives nothing, and starts nothing that works by itself: no
//! subscription, no scheduler, no library that we do not know to be quiet. It takes
//! little memory: the host may have a database of its own (I-15).

use std::collections::BTreeMap;

use holdfast_types::Failure;

use super::command::Asker;

/// Libraries that may stay: they neither connect to anything nor listen, or what they
/// do so by is turned off. Recovery or queries may need them. Whatever else is loaded
/// with the server is left out, for we cannot know what it does.
const QUIET: [&str; 20] = [
    "age",
    "anon",
    "auto_explain",
    "credcheck",
    "orioledb",
    "passwordcheck",
    "pg_hint_plan",
    "pg_prewarm",
    "pg_qualstats",
    "pg_stat_kcache",
    "pg_stat_monitor",
    "pg_stat_statements",
    "pg_wait_sampling",
    "pgaudit",
    "pgsodium",
    "plpgsql_check",
    "plprofiler",
    "rum",
    "timescaledb",
    "vector",
];

/// The settings of such a server, of this `server_version_num`.
pub(super) fn settings(server_version: u32) -> BTreeMap<String, String> {
    let mut settings: BTreeMap<String, String> = [
        ("listen_addresses", ""),
        ("ssl", "off"),
        ("bonjour", "off"),
        // No subscription that was copied begins to work (it would take what is meant
        // for the original).
        ("max_logical_replication_workers", "0"),
        ("session_preload_libraries", ""),
        ("local_preload_libraries", ""),
        ("autovacuum", "off"),
        // The host's memory is somebody else's.
        ("shared_buffers", "128MB"),
        ("huge_pages", "off"),
        ("logging_collector", "off"),
        ("log_destination", "stderr"),
        // Where they are kept, what schedulers know of turns them off.
        ("cron.launch_active_jobs", "off"),
        ("timescaledb.max_background_workers", "0"),
        ("pg_prewarm.autoprewarm", "off"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    if server_version >= 170_000 {
        settings.insert("sync_replication_slots".to_owned(), "off".to_owned());
        settings.insert("event_triggers".to_owned(), "off".to_owned());
    }
    settings
}

/// What `shared_preload_libraries` is to be instead, and why.
pub(super) fn preloaded(asker: &Asker) -> Result<Option<(&'static str, String, String)>, Failure> {
    const NAME: &str = "shared_preload_libraries";
    let asked = asker.ask(NAME)?;
    let (kept, left) = sorted(&asked);
    if left.is_empty() {
        return Ok(None);
    }
    let why = format!("{} may act by itself", left.join(", "));
    Ok(Some((NAME, kept.join(","), why)))
}

/// Those that stay, and those that do not.
fn sorted(libraries: &str) -> (Vec<&str>, Vec<&str>) {
    let names = libraries
        .split(',')
        .map(|name| name.trim().trim_matches('"'));
    names
        .filter(|name| !name.is_empty())
        .partition(|name| QUIET.contains(&plain(name)))
}

/// The name without a path and an ending.
fn plain(library: &str) -> &str {
    let name = library.rsplit('/').next().unwrap_or(library);
    name.strip_suffix(".so").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_do_not_know_to_be_quiet_is_left_out() {
        let (kept, left) = sorted("pg_stat_statements, pg_cron,'', \"$libdir/pgaudit.so\",citus");
        assert_eq!(kept, ["pg_stat_statements", "$libdir/pgaudit.so"]);
        assert_eq!(left, ["pg_cron", "''", "citus"]);
        assert_eq!(sorted(""), (vec![], vec![]));
    }

    #[test]
    fn settings_that_a_version_does_not_know_are_not_given_to_it() {
        assert!(!settings(150_018).contains_key("event_triggers"));
        assert_eq!(settings(180_000)["event_triggers"], "off");
        assert_eq!(settings(150_018)["max_logical_replication_workers"], "0");
    }
}
