//! Which files are not read, because they are as the parent has them.
//!
//! Not by their times alone, which a file can keep while its bytes change: the
//! size, both times and the inode must be the parent's, and everything that
//! might have been written after the parent looked has a time after it began.
//! Whatever is not proved that way is read and compared chunk by chunk.

use holdfast_repo::{Backup, FileEntry};
use holdfast_types::Timeline;
use jiff::{SignedDuration, Timestamp};

use super::commit::{STANDBY, fact};
use super::walk::FoundFile;

/// File times are as fine as the kernel's tick, or a second on a few file
/// systems, two on the coarsest. Two writes within one have the same time.
const GRANULARITY: SignedDuration = SignedDuration::from_secs(2);
const SECOND_NS: i64 = 1_000_000_000;

/// Judges files by the parent's word.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    /// Both times must be before this; `None` trusts no file.
    before_ns: Option<i64>,
}

impl Rule {
    /// For a backup on `timeline`, of a standby or not, that begins `now`.
    pub(super) fn new(
        parent: &Backup,
        (timeline, from_standby): (Timeline, bool),
        now: Timestamp,
    ) -> Self {
        // On another timeline the server was recovered, perhaps elsewhere; a
        // standby's files are not its primary's; and where the clock went back,
        // times prove nothing.
        let was_standby = parent
            .facts
            .get(fact::FROM)
            .is_some_and(|from| from == STANDBY);
        let trusted =
            parent.timeline == timeline && was_standby == from_standby && parent.finished_at <= now;
        let before = parent.started_at.checked_sub(GRANULARITY).ok();
        let before = before.and_then(|at| i64::try_from(at.as_nanosecond()).ok());
        Self {
            before_ns: before.filter(|_| trusted),
        }
    }

    /// Whether the file holds what it held in the parent.
    pub(super) fn is_unchanged(self, found: &FoundFile, entry: &FileEntry) -> bool {
        let Some(before) = self.before_ns else {
            return false;
        };
        let same = found.size == entry.size
            && found.mtime_ns == entry.mtime_ns
            && found.ctime_ns == entry.ctime_ns
            && found.inode == entry.inode;
        let settled = found.mtime_ns < before && found.ctime_ns < before;
        // A file system that keeps whole seconds is not trusted.
        let fine = found.ctime_ns % SECOND_NS != 0;
        // Damage is looked at again each time.
        same && settled && fine && entry.bad_blocks.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use holdfast_repo::EntryPath;
    use serde_json::json;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_785_000_000 + second).unwrap()
    }

    fn ns(second: i64) -> i64 {
        (1_785_000_000 + second) * SECOND_NS + 7
    }

    /// It began at 100 and ended at 200.
    fn parent() -> Backup {
        serde_json::from_value(json!({
            "format": 1, "id": "bkp_00000000000000000000000000000001", "run": "run",
            "kind": "full", "parent": null, "cluster": "orders", "lineage": "7-1",
            "systemIdentifier": "7", "postgresVersion": 150_020, "timeline": 2,
            "startLsn": "0/300028", "stopLsn": "0/300100", "startedAt": at(100),
            "finishedAt": at(200), "databaseBytes": 10, "addedBytes": 5, "entries": 1,
            "dataKey": "key_00000000000000000000000000000001", "sections": [],
        }))
        .unwrap()
    }

    fn entry(found: &FoundFile) -> FileEntry {
        FileEntry {
            path: EntryPath::new(&found.path).unwrap(),
            size: found.size,
            mode: found.mode,
            mtime_ns: found.mtime_ns,
            ctime_ns: found.ctime_ns,
            inode: found.inode,
            extents: Vec::new(),
            bad_blocks: Vec::new(),
        }
    }

    fn found(time: i64) -> FoundFile {
        FoundFile {
            path: PathBuf::from("base/5/16384"),
            size: 8192,
            mode: 0o600,
            mtime_ns: time,
            ctime_ns: time,
            inode: 42,
        }
    }

    fn rule() -> Rule {
        Rule::new(&parent(), (Timeline::new(2).unwrap(), false), at(300))
    }

    // Pitfall 25
    #[test]
    fn everything_must_be_the_same() {
        let old = found(ns(50));
        assert!(rule().is_unchanged(&old, &entry(&old)));
        let others: [fn(&mut FoundFile); 4] = [
            |file| file.size += 8192,
            |file| file.mtime_ns -= 1,
            |file| file.ctime_ns -= 1,
            |file| file.inode += 1,
        ];
        for change in others {
            let mut other = old.clone();
            change(&mut other);
            assert!(!rule().is_unchanged(&other, &entry(&old)), "{other:?}");
        }
        // The mode is not content: the new entry has the new one.
        let other = FoundFile {
            mode: 0o640,
            ..old.clone()
        };
        assert!(rule().is_unchanged(&other, &entry(&old)));
    }

    /// Written twice within one tick, the second time after the parent looked.
    // Pitfall 7
    #[test]
    fn what_was_written_when_the_parent_began_is_read() {
        for (second, unchanged) in [(97, true), (98, false), (100, false), (150, false)] {
            let file = found(ns(second));
            let said = rule().is_unchanged(&file, &entry(&file));
            assert_eq!(said, unchanged, "{second}");
        }
        // The name changed late, or somebody set the time of the content back.
        let mut touched = found(ns(50));
        touched.ctime_ns = ns(99);
        assert!(!rule().is_unchanged(&touched, &entry(&touched)));
    }

    // Pitfalls 7 and 22
    #[test]
    fn whole_seconds_another_timeline_and_a_clock_that_went_back_prove_nothing() {
        let coarse = found(ns(50) - 7);
        assert!(!rule().is_unchanged(&coarse, &entry(&coarse)));
        let old = found(ns(50));
        let three = Rule::new(&parent(), (Timeline::new(3).unwrap(), false), at(300));
        assert!(!three.is_unchanged(&old, &entry(&old)));
        let back = Rule::new(&parent(), (Timeline::new(2).unwrap(), false), at(199));
        assert!(!back.is_unchanged(&old, &entry(&old)));
        let standby = Rule::new(&parent(), (Timeline::new(2).unwrap(), true), at(300));
        assert!(
            !standby.is_unchanged(&old, &entry(&old)),
            "another host's file"
        );
    }

    #[test]
    fn damaged_files_are_read_again() {
        let old = found(ns(50));
        let damaged = FileEntry {
            bad_blocks: vec![3],
            ..entry(&old)
        };
        assert!(!rule().is_unchanged(&old, &damaged));
    }
}
