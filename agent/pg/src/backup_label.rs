//! The file `backup_label`: where recovery of a base backup starts.

use holdfast_types::{Lsn, Timeline};

/// What a backup_label says. The file itself is kept byte for byte; this is
/// only read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupLabel {
    /// Where WAL must be replayed from (the redo position of the checkpoint).
    pub start_lsn: Lsn,
    /// Where the checkpoint record is.
    pub checkpoint_lsn: Lsn,
    /// The timeline of the start.
    pub start_timeline: Timeline,
    /// Whether the backup was taken from a standby.
    pub from_standby: bool,
    /// The label given at the start.
    pub label: String,
    /// The start of the parent, in a backup made by PostgreSQL's own
    /// incremental mode (17 and newer).
    pub incremental_from: Option<Lsn>,
}

/// A backup_label that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("backup_label has no readable line \"{0}\": take the backup again")]
pub struct InvalidBackupLabel(&'static str);

impl BackupLabel {
    /// Reads the content of the file.
    pub fn parse(content: &[u8]) -> Result<Self, InvalidBackupLabel> {
        let text = String::from_utf8_lossy(content);
        let value = |key: &'static str| {
            let mut lines = text.lines();
            let line = lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
            line.ok_or(InvalidBackupLabel(key))
        };
        let lsn = |key: &'static str| -> Result<Lsn, InvalidBackupLabel> {
            let word = value(key)?.split_whitespace().next();
            word.and_then(|word| word.parse().ok())
                .ok_or(InvalidBackupLabel(key))
        };
        let timeline = value("START TIMELINE")?
            .trim()
            .parse()
            .ok()
            .and_then(Timeline::new);
        Ok(Self {
            start_lsn: lsn("START WAL LOCATION")?,
            checkpoint_lsn: lsn("CHECKPOINT LOCATION")?,
            start_timeline: timeline.ok_or(InvalidBackupLabel("START TIMELINE"))?,
            from_standby: value("BACKUP FROM").is_ok_and(|from| from.trim() == "standby"),
            label: value("LABEL").unwrap_or_default().to_owned(),
            incremental_from: lsn("INCREMENTAL FROM LSN").ok(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LABEL: &str = "START WAL LOCATION: 1/A000028 (file 00000003000000010000000A)\n\
        CHECKPOINT LOCATION: 1/A000060\nBACKUP METHOD: streamed\nBACKUP FROM: standby\n\
        START TIME: 2026-01-01 00:00:00 UTC\nLABEL: a: b\nSTART TIMELINE: 3\n";

    #[test]
    fn reads_what_postgresql_writes() {
        let label = BackupLabel::parse(LABEL.as_bytes()).unwrap();
        assert_eq!(label.start_lsn.to_string(), "1/A000028");
        assert_eq!(label.checkpoint_lsn.to_string(), "1/A000060");
        assert_eq!((label.start_timeline.get(), label.from_standby), (3, true));
        assert_eq!(
            (label.label.as_str(), label.incremental_from),
            ("a: b", None)
        );
        assert!(BackupLabel::parse(b"LABEL: x\n").is_err());
    }

    proptest! {
        #[test]
        fn never_panics(content: Vec<u8>) {
            let _ = BackupLabel::parse(&content);
        }
    }
}
