//! WAL in a repository, on both kinds of store.

use crate::support;
use crate::support::{Fixture, Place, lsn, range, segment, wal_bytes};
use bytes::Bytes;
use holdfast_repo::*;
use holdfast_types::Timeline;

on_all_stores! {
    a_segment_comes_back
    the_same_bytes_again_are_fine_and_others_are_an_incident
    slices_become_the_beginning_of_a_segment
    a_hole_between_slices_is_refused
    overlapping_slices_must_agree
    covered_slices_are_deleted_and_only_those
    absence_is_proved
    coverage_is_by_timeline
    histories_come_back
    damaged_wal_is_an_error_and_never_absence
    a_slice_stays_inside_one_segment
    a_segment_completed_meanwhile_is_in_every_list
    a_hole_is_never_the_end
    a_sealed_segment_is_opened_only_as_itself
    what_stands_aside_comes_back_and_is_no_wal
}

async fn a_segment_comes_back(place: Place) {
    let fixture = Fixture::new(place).await;
    let segment = segment(1, "0/300000");
    for codec in [Codec::None, Codec::Lz4, Codec::Zstd { level: 3 }] {
        let segment = match codec {
            Codec::None => segment,
            Codec::Lz4 => segment.next(),
            Codec::Zstd { .. } => segment.next().next(),
        };
        let put = fixture
            .lineage
            .wal(codec)
            .put_segment(segment, wal_bytes(segment))
            .await
            .unwrap();
        assert_eq!(put, Put::Created);
        let wal = fixture.reopen().await.wal(Codec::None);
        assert_eq!(
            wal.fetch_segment(segment).await.unwrap(),
            Fetched::Full(wal_bytes(segment))
        );
    }
}

async fn the_same_bytes_again_are_fine_and_others_are_an_incident(place: Place) {
    let fixture = Fixture::new(place).await;
    let segment = segment(1, "0/300000");
    fixture
        .wal()
        .put_segment(segment, wal_bytes(segment))
        .await
        .unwrap();
    // Another codec makes another object of the same plain bytes.
    let again = fixture
        .lineage
        .wal(Codec::None)
        .put_segment(segment, wal_bytes(segment))
        .await
        .unwrap();
    assert_eq!(again, Put::Same);
    let error = fixture
        .wal()
        .put_segment(segment, wal_bytes(segment.next()))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "repository_conflict");
    assert_eq!(
        fixture.wal().fetch_segment(segment).await.unwrap(),
        Fetched::Full(wal_bytes(segment))
    );

    let slice = range("0/400000", "0/400010");
    let put = |bytes: &'static [u8; 16]| {
        let wal = fixture.wal();
        async move {
            wal.put_slice(Timeline::FIRST, slice, Bytes::from_static(bytes))
                .await
        }
    };
    assert_eq!(put(b"0123456789abcdef").await.unwrap(), Put::Created);
    assert_eq!(put(b"0123456789abcdef").await.unwrap(), Put::Same);
    assert_eq!(
        put(b"0123456789abcdeF").await.unwrap_err().code(),
        "repository_conflict"
    );
}

/// Puts the bytes of `segment` between two offsets as a slice.
async fn put_slice(fixture: &Fixture, segment: holdfast_types::WalSegment, from: usize, to: usize) {
    let at = |offset: usize| segment.start().checked_add(offset as u64).unwrap();
    let range = holdfast_types::LsnRange::new(at(from), at(to)).unwrap();
    let bytes = wal_bytes(segment).slice(from..to);
    fixture
        .wal()
        .put_slice(segment.timeline(), range, bytes)
        .await
        .unwrap();
}

async fn slices_become_the_beginning_of_a_segment(place: Place) {
    let fixture = Fixture::new(place).await;
    let segment = segment(1, "0/300000");
    put_slice(&fixture, segment, 0, 1000).await;
    put_slice(&fixture, segment, 1000, 250_000).await;
    // A neighbour is another story; one behind would make this a hole.
    put_slice(&fixture, support::segment(1, "0/200000"), 0, 77).await;
    let Fetched::Assembled { bytes, valid_to } =
        fixture.wal().fetch_segment(segment).await.unwrap()
    else {
        panic!("assembled");
    };
    assert_eq!(valid_to, lsn("0/33D090"));
    assert_eq!(bytes.len() as u64, segment.size().bytes());
    assert_eq!(bytes[..250_000], wal_bytes(segment)[..250_000]);
    assert!(bytes[250_000..].iter().all(|byte| *byte == 0));
}

async fn a_hole_between_slices_is_refused(place: Place) {
    let fixture = Fixture::new(place).await;
    let segment = segment(1, "0/300000");
    put_slice(&fixture, segment, 0, 1000).await;
    put_slice(&fixture, segment, 1008, 2000).await;
    let error = fixture.wal().fetch_segment(segment).await.unwrap_err();
    assert!(
        matches!(&error, Error::WalHole { gaps, .. } if *gaps == [range("0/3003E8", "0/3003F0")]),
        "{error}"
    );
    assert_eq!(error.code(), "wal_gap");
    // Nor may the beginning be missing.
    put_slice(&fixture, segment.next(), 8, 2000).await;
    let error = fixture
        .wal()
        .fetch_segment(segment.next())
        .await
        .unwrap_err();
    assert_eq!(error.code(), "wal_gap");
}

async fn overlapping_slices_must_agree(place: Place) {
    let fixture = Fixture::new(place).await;
    let segment = segment(1, "0/300000");
    put_slice(&fixture, segment, 0, 1000).await;
    put_slice(&fixture, segment, 0, 2000).await;
    put_slice(&fixture, segment, 500, 1500).await;
    let Fetched::Assembled { bytes, .. } = fixture.wal().fetch_segment(segment).await.unwrap()
    else {
        panic!("assembled");
    };
    assert_eq!(bytes[..2000], wal_bytes(segment)[..2000]);
    let foreign = range("0/300708", "0/300BB8");
    let bytes = Bytes::from(vec![7; usize::try_from(foreign.bytes()).unwrap()]);
    fixture
        .wal()
        .put_slice(Timeline::FIRST, foreign, bytes)
        .await
        .unwrap();
    let error = fixture.wal().fetch_segment(segment).await.unwrap_err();
    assert_eq!(error.code(), "repository_conflict");
}

async fn covered_slices_are_deleted_and_only_those(place: Place) {
    let fixture = Fixture::new(place).await;
    let segment = segment(1, "0/300000");
    put_slice(&fixture, segment, 0, 1000).await;
    put_slice(&fixture, segment, 1000, 2000).await;
    put_slice(&fixture, segment.next(), 0, 1000).await;
    // I-06: without the full segment nothing is superfluous.
    assert_eq!(
        fixture.wal().delete_covered_slices(segment).await.unwrap(),
        0
    );
    fixture
        .wal()
        .put_segment(segment, wal_bytes(segment))
        .await
        .unwrap();
    let foreign = range("0/301000", "0/301010");
    fixture
        .wal()
        .put_slice(Timeline::FIRST, foreign, Bytes::from(vec![7; 16]))
        .await
        .unwrap();
    let error = fixture
        .wal()
        .delete_covered_slices(segment)
        .await
        .unwrap_err();
    assert_eq!(error.code(), "repository_conflict");
    let left = fixture.wal().list(Timeline::FIRST).await.unwrap().slices;
    assert_eq!(left, [foreign, range("0/400000", "0/4003E8")]);
}

// Pitfall 17
async fn absence_is_proved(place: Place) {
    let fixture = Fixture::new(place).await;
    let segment = segment(1, "0/300000");
    assert_eq!(
        fixture.wal().fetch_segment(segment).await.unwrap(),
        Fetched::Absent
    );
    assert_eq!(
        fixture.wal().fetch_history(Timeline::FIRST).await.unwrap(),
        None
    );
    assert_eq!(fixture.wal().timelines().await.unwrap(), []);
    let wal = fixture.wal();
    // A volume that is not mounted looks empty. That is not absence.
    fixture.place.raw_delete("holdfast.json").await;
    assert_eq!(
        wal.fetch_segment(segment).await.unwrap_err().code(),
        "not_a_repository"
    );
    assert_eq!(
        wal.fetch_history(Timeline::FIRST).await.unwrap_err().code(),
        "not_a_repository"
    );
    assert_eq!(
        wal.list(Timeline::FIRST).await.unwrap_err().code(),
        "not_a_repository"
    );
    assert_eq!(
        fixture.lineage.list_backups().await.unwrap_err().code(),
        "not_a_repository"
    );
}

// Pitfall 32
async fn coverage_is_by_timeline(place: Place) {
    let fixture = Fixture::new(place).await;
    fixture.put_wal("0/300000", "0/600000").await;
    fixture.put_wal("0/700000", "0/800000").await;
    put_slice(&fixture, segment(1, "0/800000"), 0, 4096).await;
    let two = segment(2, "0/700000");
    fixture
        .wal()
        .put_segment(two, wal_bytes(two))
        .await
        .unwrap();
    // What a killed writer leaves behind is no object, nor is what is foreign.
    if let Some(root) = fixture.place.url.directory() {
        std::fs::write(
            root.join(fixture.name("wal/00000001/000000010000000000000006#1")),
            "half",
        )
        .unwrap();
    }
    fixture
        .place
        .raw_write(&fixture.name("wal/00000001/readme.txt"), "hello")
        .await;
    fixture
        .place
        .raw_write(
            &fixture.name("wal/00000001/00000001000000000000000a"),
            "lower case",
        )
        .await;

    let lineage = fixture.reopen().await;
    let wal = lineage.wal(Codec::None);
    let timelines: Vec<u32> = wal
        .timelines()
        .await
        .unwrap()
        .iter()
        .map(|timeline| timeline.get())
        .collect();
    assert_eq!(timelines, [1, 2]);
    let one = wal.list(Timeline::FIRST).await.unwrap();
    assert_eq!(
        one.segments.ranges(),
        [range("0/300000", "0/600000"), range("0/700000", "0/800000")]
    );
    assert_eq!(one.slices, [range("0/800000", "0/801000")]);
    assert_eq!(
        one.coverage().ranges(),
        [range("0/300000", "0/600000"), range("0/700000", "0/801000")]
    );
    assert_eq!(one.end(), Some(lsn("0/801000")));
    let late = wal
        .list_from(Timeline::FIRST, lsn("0/512345"))
        .await
        .unwrap();
    assert_eq!(
        late.segments.ranges(),
        [range("0/500000", "0/600000"), range("0/700000", "0/800000")]
    );
    assert_eq!(late.slices, one.slices);
    assert_eq!(
        wal.list_from(Timeline::FIRST, lsn("0/0")).await.unwrap(),
        one
    );
}

// Pitfall 18
async fn histories_come_back(place: Place) {
    let fixture = Fixture::new(place).await;
    let two = Timeline::new(2).unwrap();
    let text = Bytes::from_static(b"1\t0/500000\tno recovery target specified\n");
    assert_eq!(
        fixture.wal().put_history(two, text.clone()).await.unwrap(),
        Put::Created
    );
    assert_eq!(
        fixture.wal().put_history(two, text.clone()).await.unwrap(),
        Put::Same
    );
    assert_eq!(
        fixture.wal().fetch_history(two).await.unwrap().unwrap(),
        text
    );
    let history = fixture.wal().history(two).await.unwrap();
    assert_eq!(history.timeline_at(lsn("0/4FFFFF")), Timeline::FIRST);
    assert!(fixture.wal().list(two).await.unwrap().history);
    assert!(
        fixture
            .wal()
            .list_from(two, lsn("0/500000"))
            .await
            .unwrap()
            .history
    );
    let other = fixture
        .wal()
        .put_history(two, Bytes::from_static(b"1\t0/600000\tx\n"))
        .await;
    assert_eq!(other.unwrap_err().code(), "repository_conflict");
    let bad = fixture
        .wal()
        .put_history(two, Bytes::from_static(b"nonsense"))
        .await;
    assert_eq!(bad.unwrap_err().code(), "invalid_repository_data");
}

// Pitfall 17
async fn damaged_wal_is_an_error_and_never_absence(place: Place) {
    let fixture = Fixture::new(place).await;
    let segment = segment(1, "0/300000");
    fixture
        .wal()
        .put_segment(segment, wal_bytes(segment))
        .await
        .unwrap();
    let name = fixture.name(&format!("wal/00000001/{segment}"));
    let whole = fixture.place.raw_read(&name).await;
    fixture.place.raw_damage(&name).await;
    assert_eq!(
        fixture
            .wal()
            .fetch_segment(segment)
            .await
            .unwrap_err()
            .code(),
        "repository_damaged"
    );
    // Nor is a damaged object good enough to say that our bytes are stored.
    let put = fixture.wal().put_segment(segment, wal_bytes(segment)).await;
    assert_eq!(put.unwrap_err().code(), "repository_damaged");
    for length in [0, 10, 84, whole.len() - 1] {
        fixture.place.raw_write(&name, &whole[..length]).await;
        let error = fixture.wal().fetch_segment(segment).await.unwrap_err();
        assert_eq!(error.code(), "repository_damaged", "{length} bytes");
    }
    // The right bytes under another name are damage as well.
    let next = fixture.name(&format!("wal/00000001/{}", segment.next()));
    fixture.place.raw_write(&next, whole).await;
    let error = fixture
        .wal()
        .fetch_segment(segment.next())
        .await
        .unwrap_err();
    assert_eq!(error.code(), "repository_damaged");
}

async fn a_slice_stays_inside_one_segment(place: Place) {
    let fixture = Fixture::new(place).await;
    let across = range("0/3FFFF0", "0/400010");
    let put = fixture
        .wal()
        .put_slice(Timeline::FIRST, across, Bytes::from(vec![0; 32]))
        .await;
    assert_eq!(put.unwrap_err().code(), "invalid_repository_data");
    let put = fixture
        .wal()
        .put_segment(segment(1, "0/300000"), Bytes::from(vec![0; 32]))
        .await;
    assert_eq!(put.unwrap_err().code(), "invalid_repository_data");
    let wrong = holdfast_types::WalSegment::containing(
        Timeline::FIRST,
        lsn("0/3000000"),
        holdfast_types::SegmentSize::DEFAULT,
    );
    assert_eq!(
        fixture.wal().fetch_segment(wrong).await.unwrap_err().code(),
        "lineage_mismatch"
    );
    assert_eq!(
        fixture
            .place
            .raw_list()
            .await
            .iter()
            .filter(|name| name.contains("/wal/"))
            .count(),
        0
    );
}

/// Its slices go once it is there: a listing must not miss both.
async fn a_segment_completed_meanwhile_is_in_every_list(place: Place) {
    let fixture = Fixture::new(place).await;
    let mut segment = segment(1, "0/300000");
    for _ in 0..20 {
        put_slice(&fixture, segment, 0, 1000).await;
        let held = holdfast_types::LsnRange {
            from_lsn: segment.start(),
            to_lsn: segment.start().checked_add(1000).unwrap(),
        };
        let complete = async {
            let wal = fixture.wal();
            wal.put_segment(segment, wal_bytes(segment)).await.unwrap();
            wal.delete_covered_slices(segment).await.unwrap()
        };
        let look = async {
            for _ in 0..10 {
                let wal = fixture
                    .wal()
                    .list_from(Timeline::FIRST, held.from_lsn)
                    .await;
                assert!(wal.unwrap().coverage().covers(held), "{held:?}");
            }
        };
        let (deleted, ()) = tokio::join!(complete, look);
        assert_eq!(deleted, 1);
        segment = segment.next();
    }
}

/// Pitfall 17: PostgreSQL takes absence, and zeros, for the end of WAL. Where
/// WAL goes on behind them neither is handed out (I-12).
async fn a_hole_is_never_the_end(place: Place) {
    let fixture = Fixture::new(place).await;
    let wal = fixture.wal();
    let before = segment(1, "0/300000");
    let (sliced, missing) = (before.next(), before.next().next());
    let last = missing.next();
    wal.put_segment(before, wal_bytes(before)).await.unwrap();
    put_slice(&fixture, sliced, 0, 1000).await;
    // Nothing behind it: the beginning of the last segment, then zeros.
    let fetched = wal.fetch_or_hole(sliced).await.unwrap();
    assert!(matches!(fetched, Fetched::Assembled { .. }), "{fetched:?}");
    assert_eq!(wal.fetch_or_hole(missing).await.unwrap(), Fetched::Absent);

    wal.put_segment(last, wal_bytes(last)).await.unwrap();
    for holed in [sliced, missing] {
        let error = wal.fetch_or_hole(holed).await.unwrap_err();
        assert!(matches!(error, Error::WalHole { .. }), "{error:?}");
        assert_eq!(error.code(), "wal_gap");
    }
    // Who knows where it must end may have what is before the hole.
    let known = wal.fetch_segment(sliced).await.unwrap();
    assert!(matches!(known, Fetched::Assembled { .. }), "{known:?}");
    assert_eq!(wal.fetch_segment(missing).await.unwrap(), Fetched::Absent);
    // A timeline begins somewhere, and ends somewhere.
    let first = segment(1, "0/200000");
    assert_eq!(wal.fetch_or_hole(first).await.unwrap(), Fetched::Absent);
    let behind = wal.fetch_or_hole(last.next()).await.unwrap();
    assert_eq!(behind, Fetched::Absent);
    // On another timeline nothing is missing.
    let two = Timeline::new(2).unwrap();
    let other = wal.fetch_or_hole(missing.on(two)).await.unwrap();
    assert_eq!(other, Fetched::Absent);
    // Filled, the hole is gone.
    wal.put_segment(missing, wal_bytes(missing)).await.unwrap();
    wal.put_segment(sliced, wal_bytes(sliced)).await.unwrap();
    assert_eq!(
        wal.fetch_or_hole(sliced).await.unwrap(),
        Fetched::Full(wal_bytes(sliced))
    );
}

/// Pitfall 20: what is kept between two calls is used only as what it is.
async fn a_sealed_segment_is_opened_only_as_itself(place: Place) {
    let fixture = Fixture::new(place).await;
    let wal = fixture.wal();
    let one = segment(1, "0/300000");
    assert_eq!(wal.read_sealed(one).await.unwrap(), None);
    wal.put_segment(one, wal_bytes(one)).await.unwrap();
    let sealed = wal.read_sealed(one).await.unwrap().unwrap();
    assert_eq!(
        wal.open_sealed(one, sealed.clone()).await.unwrap(),
        wal_bytes(one)
    );
    let damaged = async |segment, bytes: Bytes| {
        let error = wal.open_sealed(segment, bytes).await.unwrap_err();
        assert!(matches!(error, Error::Damaged { .. }), "{error:?}");
    };
    damaged(one.next(), sealed.clone()).await;
    damaged(one, sealed.slice(..sealed.len() / 2)).await;
    damaged(one, Bytes::new()).await;
    let mut flipped = sealed.to_vec();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    damaged(one, flipped.into()).await;
    // Another cluster's segment of the same name, in the same repository.
    let shop = "shop".parse().unwrap();
    let other = fixture.repository.create_or_open_lineage(
        &shop,
        fixture.lineage.lineage(),
        fixture.lineage.facts(),
    );
    let theirs = other.await.unwrap().wal(Codec::DEFAULT);
    theirs.put_segment(one, wal_bytes(one)).await.unwrap();
    let foreign = theirs.read_sealed(one).await.unwrap().unwrap();
    damaged(one, foreign).await;
}

/// Pitfall 18: `.partial` and `.backup` are archived like anything else.
async fn what_stands_aside_comes_back_and_is_no_wal(place: Place) {
    let fixture = Fixture::new(place).await;
    let wal = fixture.wal();
    let one = segment(1, "0/300000");
    let partial = AsideFile::Partial(one);
    let backup = AsideFile::BackupHistory(one, 0x28);
    assert_eq!(wal.fetch_aside(partial).await.unwrap(), None);
    let label = Bytes::from_static(b"START WAL LOCATION: 0/300028\n");
    for (file, bytes) in [(partial, wal_bytes(one)), (backup, label)] {
        let put = async |bytes: Bytes| wal.put_aside(file, bytes).await;
        assert_eq!(put(bytes.clone()).await.unwrap(), Put::Created);
        assert_eq!(put(bytes.clone()).await.unwrap(), Put::Same);
        let mut other = bytes.to_vec();
        other[0] ^= 1;
        let conflict = put(other.into()).await.unwrap_err();
        assert!(matches!(conflict, Error::Conflict { .. }), "{conflict:?}");
        assert_eq!(wal.fetch_aside(file).await.unwrap(), Some(bytes));
    }
    let short = wal.put_aside(partial, Bytes::from_static(b"short")).await;
    assert!(matches!(short, Err(Error::Invalid { .. })), "{short:?}");
    let listed = wal.list(Timeline::FIRST).await.unwrap();
    assert!(listed.coverage().ranges().is_empty(), "{listed:?}");
    assert_eq!(wal.fetch_segment(one).await.unwrap(), Fetched::Absent);
}
