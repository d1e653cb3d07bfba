//! Reading for somebody who has parts of it already.

use holdfast_repo::*;

use super::{KIB, random, small_packs};
use crate::support::{File, Fixture, Place, backup_id, commit_facts, write_backup};

on_all_stores! {
    what_is_there_already_is_not_fetched
}

/// Whatever lies there: what comes out is what was backed up, and only what
/// differs was written.
async fn what_is_there_already_is_not_fetched(place: Place) {
    let fixture = Fixture::new(place).await;
    fixture.put_wal("0/300000", "0/500000").await;
    let chunk = 64 * KIB;
    let plain = [random(9 * chunk), vec![0; 2 * chunk], random(3 * chunk + 7)].concat();
    let file = File::new("base/1/2", plain.clone());
    let options = small_packs(Codec::DEFAULT);
    let finished = write_backup(&fixture.lineage, backup_id(1), &[file], options).await;
    let facts = commit_facts("run", "0/300028", "0/400100");
    let backup = finished.unwrap().commit(facts).await.unwrap();
    let reader = fixture.lineage.open_backup(backup).await.unwrap();
    let Some(Entry::File(entry)) = reader.entries().next().await.unwrap() else {
        panic!("a file");
    };
    let mut changed = plain.clone();
    changed[4 * chunk + 5] ^= 1;
    let mut filled = plain.clone();
    filled[10 * chunk] = 7;
    let all = plain.len();
    let cases = [
        ("the same", plain.clone(), all),
        ("one byte", changed, all - chunk),
        ("no hole", filled, all - chunk),
        ("its start", plain[..5 * chunk + 9].to_vec(), 5 * chunk),
        ("more", [plain.clone(), random(chunk)].concat(), all),
        ("another's", random(all), 0),
        ("zeros", vec![0; all], 2 * chunk),
        ("nothing", Vec::new(), 0),
    ];
    let mut extents = reader.extent_reader();
    let check = tokio::task::spawn_blocking(move || {
        for (what, there, expected) in cases {
            let mut now = there.clone();
            now.resize(all, 0);
            let mut given = 0;
            let held = |offset: u64, buffer: &mut [u8]| {
                let from = usize::try_from(offset).unwrap();
                let Some(bytes) = there.get(from..from + buffer.len()) else {
                    return Ok(false);
                };
                buffer.copy_from_slice(bytes);
                Ok(true)
            };
            let sink = |offset: u64, piece: Piece<'_>| {
                let from = usize::try_from(offset).unwrap();
                let length = match piece {
                    Piece::Data(bytes) => {
                        now[from..from + bytes.len()].copy_from_slice(bytes);
                        bytes.len()
                    }
                    Piece::Hole(length) => {
                        let length = usize::try_from(length).unwrap();
                        now[from..from + length].fill(0);
                        length
                    }
                };
                given += length;
                Ok(())
            };
            let same = extents.read_extent_over(&entry.extents[0], held, sink);
            assert_eq!(same.unwrap(), expected as u64, "{what}");
            assert_eq!(given, all - expected, "{what}");
            assert!(now == plain, "{what}");
        }
    });
    check.await.unwrap();
}
