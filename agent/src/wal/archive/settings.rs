//! PostgreSQL's settings for its archiver: what they must be, and the words to
//! make them so.

use std::path::Path;

use holdfast_pg::sql::Session;
use holdfast_types::Failure;

/// What the server says of its archiver.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ArchiveSettings {
    pub(crate) mode: String,
    pub(crate) command: String,
    /// From 15 on: a module archives instead, and the command is not run.
    pub(crate) library: String,
    pub(crate) timeout_seconds: i64,
    pub(crate) in_recovery: bool,
    /// The file that failed since one was archived.
    pub(crate) failing: Option<String>,
}

const QUERY: &str = "\
SELECT current_setting('archive_mode'), current_setting('archive_command'), \
       coalesce(current_setting('archive_library', true), ''), \
       (SELECT setting::int8 FROM pg_settings WHERE name = 'archive_timeout'), \
       pg_is_in_recovery(), \
       (SELECT CASE WHEN last_failed_time > coalesce(last_archived_time, '-infinity') \
                    THEN last_failed_wal END FROM pg_stat_archiver)";

/// One setting that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) fix: Vec<String>,
}

impl ArchiveSettings {
    pub(crate) async fn read(session: &Session) -> Result<Self, holdfast_pg::Error> {
        let row = session.row(QUERY, &[]).await?;
        let text = |column: usize| row.try_get::<_, String>(column).unwrap_or_default();
        Ok(Self {
            mode: text(0),
            command: text(1),
            library: text(2),
            timeout_seconds: row.try_get(3).unwrap_or_default(),
            in_recovery: row.try_get(4).unwrap_or_default(),
            failing: row.try_get(5).unwrap_or_default(),
        })
    }

    /// What keeps WAL from being archived at all.
    pub(crate) fn wrong(&self, program: &Path) -> Vec<Wrong> {
        let mut found = Vec::new();
        let reload = "SELECT pg_reload_conf();".to_owned();
        let set = |name: &str, value: &str| {
            format!("ALTER SYSTEM SET {name} = '{}';", value.replace('\'', "''"))
        };
        if self.mode == "off" {
            found.push(Wrong {
                code: "archive_mode_off",
                message: "archive_mode is off: PostgreSQL archives no WAL".to_owned(),
                fix: vec![
                    set("archive_mode", "on"),
                    "-- then restart PostgreSQL".to_owned(),
                ],
            });
        }
        if !self.library.is_empty() {
            found.push(Wrong {
                code: "archive_library_set",
                message: format!(
                    "archive_library is \"{}\": PostgreSQL does not run archive_command",
                    self.library
                ),
                fix: vec![set("archive_library", ""), reload.clone()],
            });
        }
        if !self.command.contains("wal-push") || !self.command.contains("%p") {
            found.push(Wrong {
                code: "archive_command_missing",
                message: format!(
                    "archive_command is \"{}\", not Holdfast's wal-push",
                    self.command
                ),
                fix: vec![set("archive_command", &command(program)), reload],
            });
        }
        found
    }

    /// What only makes exposure longer than it need be.
    pub(crate) fn slow(&self) -> Option<Wrong> {
        (self.timeout_seconds == 0).then(|| Wrong {
            code: "archive_timeout_unset",
            message: "archive_timeout is 0: the last WAL of a quiet server is archived when a \
                      segment is full, and exposure grows until then"
                .to_owned(),
            fix: vec![
                "ALTER SYSTEM SET archive_timeout = '60s';".to_owned(),
                "SELECT pg_reload_conf();".to_owned(),
            ],
        })
    }

    /// Why the archiver does not work.
    pub(crate) fn trouble(&self, program: &Path) -> Option<Failure> {
        if let Some(wrong) = self.wrong(program).into_iter().next() {
            let hint = format!(
                "`holdfast-agent doctor` says what to run: {}",
                wrong.fix.join(" ")
            );
            return Some(Failure::permanent(wrong.code, wrong.message, hint));
        }
        let failing = self.failing.as_ref()?;
        Some(Failure::transient(
            "wal_archiving_failing",
            format!("PostgreSQL's archiver failed at {failing} and has archived nothing since"),
            "look at PostgreSQL's log, which holds what wal-push said; PostgreSQL keeps the WAL \
             and tries again every minute",
        ))
    }
}

/// What to write into archive_command.
pub(crate) fn command(program: &Path) -> String {
    let program = program.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    let program = match program.chars().all(plain) {
        true => program,
        false => format!("\"{}\"", program.replace('%', "%%")),
    };
    format!("{program} wal-push %p")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> ArchiveSettings {
        ArchiveSettings {
            mode: "on".to_owned(),
            command: "/usr/bin/holdfast-agent wal-push %p".to_owned(),
            timeout_seconds: 60,
            ..ArchiveSettings::default()
        }
    }

    fn codes(settings: &ArchiveSettings) -> Vec<&'static str> {
        let wrong = settings.wrong(Path::new("/usr/bin/holdfast-agent"));
        wrong.into_iter().map(|wrong| wrong.code).collect()
    }

    #[test]
    fn each_wrong_setting_has_its_words() {
        assert_eq!(codes(&good()), Vec::<&str>::new());
        assert_eq!(good().slow(), None);
        let off = ArchiveSettings {
            mode: "off".to_owned(),
            command: "cp %p /archive/%f".to_owned(),
            library: "basic_archive".to_owned(),
            ..good()
        };
        assert_eq!(
            codes(&off),
            [
                "archive_mode_off",
                "archive_library_set",
                "archive_command_missing"
            ]
        );
        let without_path = ArchiveSettings {
            command: "holdfast-agent wal-push".to_owned(),
            ..good()
        };
        assert_eq!(codes(&without_path), ["archive_command_missing"]);
        let eager = ArchiveSettings {
            timeout_seconds: 0,
            ..good()
        };
        assert_eq!(eager.slow().unwrap().code, "archive_timeout_unset");
    }

    #[test]
    fn a_failing_archiver_is_told_once_settings_are_right() {
        let program = Path::new("/usr/bin/holdfast-agent");
        assert_eq!(good().trouble(program), None);
        let failing = ArchiveSettings {
            failing: Some("000000010000000000000003".to_owned()),
            ..good()
        };
        let trouble = failing.trouble(program).unwrap();
        assert_eq!(trouble.code, "wal_archiving_failing");
        assert!(trouble.message.contains("000000010000000000000003"));
    }

    #[test]
    fn the_command_survives_the_shell() {
        assert_eq!(
            command(Path::new("/usr/bin/holdfast-agent")),
            "/usr/bin/holdfast-agent wal-push %p"
        );
        assert_eq!(
            command(Path::new("/odd dir/50%/agent")),
            "\"/odd dir/50%%/agent\" wal-push %p"
        );
    }
}
