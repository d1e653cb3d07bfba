//! What a repository holds, from its names and marks.

use std::collections::BTreeMap;

use holdfast_repo::{Backup, Codec, LineageRepository, ListedLineage, Repository, Result};
use holdfast_types::{BackupId, Coverage, Lineage, Name, Timeline};

/// WAL belongs to a lineage of a cluster.
pub(crate) type LineageKey = (Name, Lineage);
/// The WAL of a lineage, by timeline.
pub(crate) type LineageWal = BTreeMap<Timeline, Coverage>;

/// What a repository holds.
#[derive(Debug, Default)]
pub(crate) struct Inventory {
    /// Every backup whose mark can be read.
    pub(crate) backups: BTreeMap<BackupId, Backup>,
    /// Marks and lineages that cannot be read: of which cluster, which object,
    /// and why.
    pub(crate) unreadable: Vec<(Name, String, String)>,
    /// The lineages that can be read.
    pub(crate) lineages: BTreeMap<LineageKey, LineageRepository>,
    /// Their WAL, of those whose names were listed.
    pub(crate) wal: BTreeMap<LineageKey, LineageWal>,
    /// The lineages whose WAL was not looked at this time.
    pub(crate) postponed: Vec<LineageKey>,
}

/// How much is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Everything.
    Whole,
    /// The WAL of lineages behind `after`, in their order and from the first
    /// one again, until so many names of WAL were listed. One lineage is always
    /// listed whole.
    Turn {
        after: Option<LineageKey>,
        names_max: u64,
    },
}

/// Looks at all of it. An error leaves nothing half known.
pub(crate) async fn of(repository: &Repository, extent: &Extent) -> Result<Inventory> {
    let mut found = Inventory::default();
    for listed in repository.listed_lineages().await? {
        let ListedLineage {
            cluster,
            lineage,
            opened,
        } = listed;
        let opened = match opened {
            Ok(opened) => opened,
            Err(error) => {
                let object = format!("clusters/{cluster}/{lineage}/lineage.json");
                found.unreadable.push((cluster, object, error.to_string()));
                continue;
            }
        };
        let backups = opened.list_backups().await?;
        for mark in backups.unreadable {
            let why = mark.error.to_string();
            found.unreadable.push((cluster.clone(), mark.object, why));
        }
        for backup in backups.available {
            found.backups.insert(backup.id, backup);
        }
        found.lineages.insert((cluster, lineage), opened);
    }
    list_wal(&mut found, extent).await?;
    Ok(found)
}

/// One listing at a time: a repository with years of WAL has millions of names.
async fn list_wal(found: &mut Inventory, extent: &Extent) -> Result<()> {
    let mut left = match extent {
        Extent::Whole => u64::MAX,
        Extent::Turn { names_max, .. } => *names_max,
    };
    for (key, lineage) in in_turn(&found.lineages, extent) {
        if left == 0 {
            found.postponed.push(key);
            continue;
        }
        let (wal, names) = wal_of(&lineage).await?;
        left = left.saturating_sub(names.max(1));
        found.wal.insert(key, wal);
    }
    Ok(())
}

fn in_turn(
    lineages: &BTreeMap<LineageKey, LineageRepository>,
    extent: &Extent,
) -> Vec<(LineageKey, LineageRepository)> {
    let after = match extent {
        Extent::Whole => None,
        Extent::Turn { after, .. } => after.as_ref(),
    };
    let behind = |key: &LineageKey| after.is_none_or(|after| key > after);
    let own = |(key, lineage): (&LineageKey, &LineageRepository)| (key.clone(), lineage.clone());
    let first = lineages.iter().filter(|(key, _)| behind(key));
    let rest = lineages.iter().filter(|(key, _)| !behind(key));
    first.chain(rest).map(own).collect()
}

/// All WAL of a lineage, from the names of its objects, and how many those
/// were.
pub(super) async fn wal_of(lineage: &LineageRepository) -> Result<(LineageWal, u64)> {
    let wal = lineage.wal(Codec::DEFAULT);
    let segment = lineage.facts().segment_size.bytes();
    let (mut timelines, mut names) = (LineageWal::new(), 0);
    for timeline in wal.timelines().await? {
        let listed = wal.list(timeline).await?;
        let held = listed.segments.ranges().iter().map(|range| range.bytes());
        names += held.sum::<u64>() / segment + listed.slices.len() as u64;
        timelines.insert(timeline, listed.coverage());
    }
    Ok((timelines, names))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use bytes::Bytes;
    use holdfast_repo::{LineageFacts, RepositoryKey, StoreOptions, open_store};
    use holdfast_types::{Lsn, LsnRange, SegmentSize, WalSegment};

    use super::*;
    use crate::scan::Turns;

    const MIB: u64 = 1 << 20;

    fn cluster(number: u64) -> Name {
        format!("c{number}").parse().unwrap()
    }

    fn segment_size() -> SegmentSize {
        SegmentSize::new(MIB).unwrap()
    }

    /// A repository of three clusters with a segment and a slice each.
    async fn repository(dir: &Path) -> Repository {
        let url = format!("file://{}", dir.display()).parse().unwrap();
        let store = open_store(&url, &StoreOptions::default()).unwrap();
        let repository = Repository::init(store, &RepositoryKey::generate()).await;
        let repository = repository.unwrap();
        for number in 1..=3 {
            let lineage = Lineage {
                system_identifier: number,
                incarnation: 1,
            };
            let facts = LineageFacts {
                postgres_version: 150_020,
                segment_size: segment_size(),
                block_size: 8192,
            };
            let cluster = cluster(number);
            let made = repository.create_or_open_lineage(&cluster, lineage, facts);
            let wal = made.await.unwrap().wal(Codec::DEFAULT);
            let first = WalSegment::containing(Timeline::FIRST, Lsn::new(MIB), segment_size());
            let zeros = Bytes::from(vec![0; usize::try_from(MIB).unwrap()]);
            wal.put_segment(first, zeros).await.unwrap();
            let range = LsnRange::new(Lsn::new(2 * MIB), Lsn::new(2 * MIB + 8)).unwrap();
            let slice = Bytes::from_static(b"12345678");
            wal.put_slice(Timeline::FIRST, range, slice).await.unwrap();
        }
        repository
    }

    fn looked_at(inventory: &Inventory) -> Vec<String> {
        let keys = inventory.wal.keys();
        keys.map(|(cluster, _)| cluster.to_string()).collect()
    }

    /// Whatever the bound, every lineage has its turn.
    #[tokio::test]
    async fn lineages_have_their_turns() {
        let dir = tempfile::tempdir().unwrap();
        let repository = repository(dir.path()).await;
        let whole = of(&repository, &Extent::Whole).await.unwrap();
        assert_eq!(looked_at(&whole), ["c1", "c2", "c3"]);
        let coverage = whole.wal.values().next().unwrap()[&Timeline::FIRST].clone();
        assert_eq!(coverage.ranges().len(), 1);
        assert_eq!(coverage.ranges()[0].to_lsn, Lsn::new(2 * MIB + 8));
        let (name, turns) = ("eu".parse().unwrap(), Turns::default());
        let mut seen = Vec::new();
        for _ in 0..4 {
            let extent = match turns.next(&name) {
                // Two names each: the third is one too many.
                Extent::Turn { after, .. } => Extent::Turn {
                    after,
                    names_max: 3,
                },
                Extent::Whole => panic!("a turn is bounded"),
            };
            let inventory = of(&repository, &extent).await.unwrap();
            assert_eq!(inventory.lineages.len(), 3);
            assert_eq!(inventory.wal.len() + inventory.postponed.len(), 3);
            turns.done(&name, &inventory);
            seen.push(looked_at(&inventory).join(" "));
        }
        assert_eq!(seen, ["c1 c2", "c1 c3", "c2 c3", "c1 c2"]);
    }

    /// One that cannot be read is named, and hides no other.
    #[tokio::test]
    async fn a_damaged_lineage_hides_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let repository = repository(dir.path()).await;
        let document = |number: u64| {
            let place = format!("clusters/c{number}/{number}-1/lineage.json");
            dir.path().join(place)
        };
        std::fs::write(document(1), "{}").unwrap();
        std::fs::remove_file(document(2)).unwrap();
        let found = of(&repository, &Extent::Whole).await.unwrap();
        assert_eq!(looked_at(&found), ["c3"]);
        let named: Vec<&str> = found
            .unreadable
            .iter()
            .map(|(_, it, _)| it.as_str())
            .collect();
        assert_eq!(
            named,
            [
                "clusters/c1/1-1/lineage.json",
                "clusters/c2/2-1/lineage.json"
            ]
        );
    }
}
