//! The settings of a restored server.
//!
//! What the original's files say is kept as far as it makes sense in another
//! place; what would make the copy follow somebody, archive over the original
//! or wait for standbys that are not there is overridden at the end of
//! `postgresql.auto.conf`, where it wins.

use std::collections::BTreeMap;

use holdfast_types::{Failure, Lsn, TargetAction};

use crate::job::conf;

/// Settings that name places of the original; their lines become comments.
const PLACES: [&str; 6] = [
    "config_file",
    "data_directory",
    "external_pid_file",
    "hba_file",
    "ident_file",
    "stats_temp_directory",
];

/// Settings of recovery: all of them are ours to decide, and empty when we say
/// nothing.
const RECOVERY: [&str; 14] = [
    "archive_cleanup_command",
    "primary_conninfo",
    "primary_slot_name",
    "recovery_end_command",
    "recovery_min_apply_delay",
    "recovery_target",
    "recovery_target_action",
    "recovery_target_inclusive",
    "recovery_target_lsn",
    "recovery_target_name",
    "recovery_target_time",
    "recovery_target_timeline",
    "recovery_target_xid",
    "restore_command",
];

/// Up to 15, a file that promotes a standby by being there.
const PROMOTE_TRIGGER_FILE: &str = "promote_trigger_file";
const PROMOTE_TRIGGER_UNTIL: u32 = 160_000;

/// Those of them that say whom a standby follows.
const FOLLOWING: [&str; 2] = ["primary_conninfo", "primary_slot_name"];

/// Settings that `--set` may not give, because a restore depends on them.
const RESERVED: [&str; 4] = [
    "archive_mode",
    "hot_standby",
    "port",
    "unix_socket_directories",
];

/// The settings that we add.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    /// For as long as the copy lives.
    lasting: Vec<(String, String)>,
    /// Until it is promoted.
    recovery: Vec<(String, String)>,
}

/// How recovery ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// A standby, which replays whatever there is. Unless it is to stay one it has
    /// no upstream, and the agent promotes it once it has reached the end of the
    /// plan.
    Standby,
    /// PostgreSQL stops after this record, or fails: it never stops short.
    At {
        last_record: Lsn,
        action: TargetAction,
    },
}

impl Settings {
    /// What every copy needs.
    pub(super) fn new(server_version: u32, restore_command: &str, timeline: &str) -> Self {
        let mut settings = Self::default();
        // I-12: a copy never archives over the original.
        settings.lasting("archive_mode", "off");
        settings.lasting("hot_standby", "on");
        // Nobody is there to confirm a commit.
        settings.lasting("synchronous_standby_names", "");
        settings.lasting("listen_addresses", "localhost");
        for name in [
            "archive_cleanup_command",
            "primary_conninfo",
            "primary_slot_name",
        ] {
            settings.lasting(name, "");
        }
        settings.lasting("recovery_end_command", "");
        settings.lasting("recovery_min_apply_delay", "0");
        if server_version < PROMOTE_TRIGGER_UNTIL {
            settings.lasting(PROMOTE_TRIGGER_FILE, "");
        }
        settings.recovery("restore_command", restore_command);
        settings.recovery("recovery_target_timeline", timeline);
        settings
    }

    /// Adds a setting that stays.
    pub(super) fn lasting(&mut self, name: &str, value: &str) {
        self.lasting.push((name.to_owned(), value.to_owned()));
    }

    /// Adds a setting that goes with the promotion.
    pub(super) fn recovery(&mut self, name: &str, value: &str) {
        self.recovery.push((name.to_owned(), value.to_owned()));
    }

    /// Says how recovery ends.
    pub(super) fn end_with(&mut self, ending: Ending) {
        let Ending::At {
            last_record,
            action,
        } = ending
        else {
            return;
        };
        self.recovery("recovery_target_lsn", &last_record.to_string());
        self.recovery("recovery_target_inclusive", "on");
        self.recovery("recovery_target_action", action.as_str());
    }

    /// What the person asks for, which wins over everything that may be set.
    pub(super) fn ask(&mut self, set: &BTreeMap<String, String>) {
        for (name, value) in set {
            self.lasting(name, value);
        }
    }

    /// The text of `postgresql.auto.conf`: what the original had in `base`,
    /// and ours. After the promotion, without the settings of recovery.
    pub(super) fn render(&self, base: &[u8], in_recovery: bool) -> Vec<u8> {
        let ours = |name: &str| {
            is_place(name)
                || RECOVERY.contains(&name)
                || self.lasting.iter().any(|(known, _)| known == name)
        };
        let mut text = conf::without(base, ours);
        text.extend_from_slice(b"# Added by Holdfast's restore.\n");
        let recovery = self.recovery.iter().filter(|_| in_recovery);
        for (name, value) in self.lasting.iter().chain(recovery) {
            text.extend_from_slice(format!("{name} = {}\n", conf::quote(value)).as_bytes());
        }
        text
    }
}

/// Whether a setting names a place of the original.
pub(super) fn is_place(name: &str) -> bool {
    PLACES.contains(&name)
}

/// The settings in `set` that a restore must decide itself.
pub(super) fn reserved(set: &BTreeMap<String, String>, action: TargetAction) -> Vec<Failure> {
    let follows = |name: &str| action == TargetAction::Standby && FOLLOWING.contains(&name);
    let lower = set.keys().map(|name| (name, name.to_ascii_lowercase()));
    let refused = lower.filter(|(_, name)| {
        let name = name.as_str();
        is_place(name)
            || RECOVERY.contains(&name) && !follows(name)
            || RESERVED.contains(&name)
            || !is_name(name)
    });
    let secret = set.iter().filter(|(name, value)| {
        name.eq_ignore_ascii_case("primary_conninfo") && has_password(value)
    });
    let secret = secret.map(|_| {
        // I-10: what a restore was asked for is kept, and shown.
        Failure::permanent(
            "setting_reserved",
            "primary_conninfo holds a password",
            "put it into a password file of the user that runs PostgreSQL, and name that with \
             passfile",
        )
    });
    refused
        .map(|(name, _)| {
            Failure::permanent(
                "setting_reserved",
                format!("the setting \"{name}\" cannot be given to a restore"),
                "a restore decides places and recovery itself; the port has an option of its own, \
                 and archiving is turned on after the restore",
            )
        })
        .chain(secret)
        .collect()
}

/// What libpq takes that must not be seen.
const SECRETS: [&str; 3] = ["password", "sslpassword", "oauth_client_secret"];

/// Whether a connection string, of words or a URL, gives a password.
fn has_password(conninfo: &str) -> bool {
    let lower = conninfo.to_ascii_lowercase();
    let in_url = lower
        .split_once("://")
        .and_then(|(_, rest)| rest.split(['/', '?']).next())
        .and_then(|authority| authority.rsplit_once('@'))
        .is_some_and(|(user, _)| user.contains(':'));
    let words = lower.split(|c: char| c.is_whitespace() || matches!(c, '?' | '&'));
    // Spaces around the equals sign are allowed.
    let mut names = words.map(|word| word.split('=').next().unwrap_or_default());
    in_url || names.any(|name| SECRETS.contains(&name))
}

/// A name that a configuration file can hold: nothing that begins a new line.
fn is_name(name: &str) -> bool {
    let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$');
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(valid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(base: &[u8], in_recovery: bool, set: &[(&str, &str)]) -> BTreeMap<String, String> {
        let mut settings = Settings::new(150_000, "fetch '%f' \"%p\"", "1");
        let (last_record, action) = (Lsn::new(0x28), TargetAction::Promote);
        settings.end_with(Ending::At {
            last_record,
            action,
        });
        let set = set
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        settings.ask(&set.collect());
        let text = settings.render(base, in_recovery);
        text.split(|&byte| byte == b'\n')
            .filter_map(conf::setting)
            .collect()
    }

    // Pitfall 29
    #[test]
    fn the_copy_follows_nobody_and_archives_nowhere() {
        let base = b"primary_conninfo = 'host=primary'\nrecovery_target_name = 'x'\n\
                     archive_mode = on\nwork_mem = '8MB'\ndata_directory = '/old'\n";
        let settings = rendered(base, true, &[]);
        let value = |name: &str| settings.get(name).map(String::as_str);
        assert_eq!(value("primary_conninfo"), Some(""));
        assert_eq!(value("archive_mode"), Some("off"));
        assert_eq!(value("recovery_target_name"), None);
        assert_eq!(value("data_directory"), None);
        assert_eq!(value("work_mem"), Some("8MB"));
        assert_eq!(value("restore_command"), Some("fetch '%f' \"%p\""));
        assert_eq!(value("recovery_target_lsn"), Some("0/28"));
        assert_eq!(value("listen_addresses"), Some("localhost"));
    }

    #[test]
    fn what_is_asked_for_wins_and_recovery_goes() {
        let set = [("listen_addresses", "*"), ("work_mem", "1MB")];
        let settings = rendered(b"work_mem = '8MB'\n", false, &set);
        assert_eq!(
            settings.get("listen_addresses").map(String::as_str),
            Some("*")
        );
        assert_eq!(settings.get("work_mem").map(String::as_str), Some("1MB"));
        assert!(!settings.contains_key("restore_command"));
        assert!(!settings.contains_key("recovery_target_lsn"));
    }

    #[test]
    fn reserved_settings_are_refused() {
        let set = |name: &str| [(name.to_owned(), "x".to_owned())].into();
        for name in [
            "restore_command",
            "Data_Directory",
            "archive_mode",
            "port",
            "a\nb",
            "",
            "1",
        ] {
            for action in [TargetAction::Promote, TargetAction::Standby] {
                assert_eq!(reserved(&set(name), action).len(), 1, "{name}");
            }
        }
        let named = |name: &str, action| reserved(&set(name), action).len();
        assert_eq!(named("my_extension.setting", TargetAction::Promote), 0);
        assert_eq!(named("primary_conninfo", TargetAction::Pause), 1);
        assert_eq!(named("primary_conninfo", TargetAction::Standby), 0);
    }

    #[test]
    fn no_password_is_taken() {
        for conninfo in [
            "host=db1 password=x",
            "host=db1 Password = x",
            "host=db1 sslkey=/k sslpassword=x",
            "postgres://me:x@db1/postgres",
            "postgresql://db1/postgres?user=me&password=x",
        ] {
            assert!(has_password(conninfo), "{conninfo}");
        }
        for conninfo in [
            "host=db1 user=me passfile=/etc/pg/pass",
            "postgres://me@db1:5432/postgres",
        ] {
            assert!(!has_password(conninfo), "{conninfo}");
        }
    }
}
