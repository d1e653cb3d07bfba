//! Settings of the server that a backup or WAL receiving needs.

use holdfast_pg::Error;
use holdfast_pg::sql::Session;

use super::Finding;

/// What matters of the server's settings; each is asked for by name, so that a
/// role which may see little still learns what is wrong with the rest.
#[derive(Debug, Default)]
pub(super) struct Settings {
    pub(super) system_identifier: Option<u64>,
    pub(super) data_directory: Option<String>,
    /// Configuration files, which Debian keeps outside the data directory.
    pub(super) files: Vec<String>,
    wal_level: String,
    max_wal_senders: i64,
    max_replication_slots: i64,
    slots_without_ours: i64,
    senders_without_ours: i64,
    full_page_writes: bool,
}

const QUERY: &str = "\
SELECT (SELECT system_identifier::text FROM pg_control_system()), \
       (SELECT setting FROM pg_settings WHERE name = 'data_directory'), \
       ARRAY(SELECT setting FROM pg_settings \
             WHERE name IN ('config_file', 'hba_file', 'ident_file') AND setting <> '' ORDER BY name), \
       current_setting('wal_level'), current_setting('max_wal_senders')::int8, \
       current_setting('max_replication_slots')::int8, \
       (SELECT count(*) FROM pg_replication_slots WHERE slot_name NOT LIKE 'holdfast\\_%'), \
       (SELECT count(*) FROM pg_stat_replication WHERE application_name <> 'holdfast'), \
       current_setting('full_page_writes')::bool";

impl Settings {
    pub(super) async fn read(session: &Session) -> Result<Self, Error> {
        let row = session.row(QUERY, &[]).await?;
        let identifier: Option<String> = row.try_get(0).unwrap_or_default();
        let identifier = identifier.and_then(|text| text.parse::<i64>().ok());
        Ok(Self {
            system_identifier: identifier.map(i64::cast_unsigned),
            data_directory: row.try_get(1).unwrap_or_default(),
            files: row.try_get(2).unwrap_or_default(),
            wal_level: row.try_get(3).unwrap_or_default(),
            max_wal_senders: row.try_get(4).unwrap_or_default(),
            max_replication_slots: row.try_get(5).unwrap_or_default(),
            slots_without_ours: row.try_get(6).unwrap_or_default(),
            senders_without_ours: row.try_get(7).unwrap_or_default(),
            full_page_writes: row.try_get(8).unwrap_or_default(),
        })
    }
}

const RESTART: &str = "-- then restart PostgreSQL";

/// What is missing. Receiving is only asked of a server that is streamed from.
pub(super) fn lacking(settings: &Settings, streams: bool) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut needs = |wrong: bool, code: &str, message: String, fix: &[String]| {
        if wrong {
            found.push(Finding::new(code, message, fix));
        }
    };
    let set = |name: &str, value: &str| format!("ALTER SYSTEM SET {name} = '{value}';");
    let restart = RESTART.to_owned();
    needs(
        !matches!(settings.wal_level.as_str(), "replica" | "logical"),
        "pg_wal_level",
        format!(
            "wal_level is {}: neither backups nor WAL receiving are possible",
            settings.wal_level
        ),
        &[set("wal_level", "replica"), restart.clone()],
    );
    needs(
        streams
            && (settings.max_wal_senders < 1
                || settings.senders_without_ours >= settings.max_wal_senders),
        "pg_max_wal_senders",
        format!(
            "max_wal_senders is {} and others use {}: WAL receiving needs one",
            settings.max_wal_senders, settings.senders_without_ours
        ),
        &[
            set(
                "max_wal_senders",
                &(settings.senders_without_ours + 4).max(10).to_string(),
            ),
            restart.clone(),
        ],
    );
    needs(
        streams
            && (settings.max_replication_slots < 1
                || settings.slots_without_ours >= settings.max_replication_slots),
        "pg_max_replication_slots",
        format!(
            "max_replication_slots is {} and others hold {}: WAL receiving needs one",
            settings.max_replication_slots, settings.slots_without_ours
        ),
        &[
            set(
                "max_replication_slots",
                &(settings.slots_without_ours + 4).max(10).to_string(),
            ),
            restart,
        ],
    );
    needs(
        !settings.full_page_writes,
        "pg_full_page_writes",
        "full_page_writes is off: pages torn while they are copied could not be repaired"
            .to_owned(),
        &[
            set("full_page_writes", "on"),
            "SELECT pg_reload_conf();".to_owned(),
        ],
    );
    found
}
