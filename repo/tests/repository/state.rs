//! Snapshots of a control plane's state, on both kinds of store.

use crate::support::Place;
use bytes::Bytes;
use holdfast_repo::*;
use holdfast_types::{ControlPlaneId, StateSnapshotId};
use jiff::Timestamp;
use uuid::Uuid;

on_all_stores! {
    a_snapshot_comes_back_as_it_was
    without_its_mark_there_is_no_snapshot
    damage_is_named_and_never_taken_for_the_state
    only_what_is_its_own_is_deleted
    of_two_writers_one_mark_counts
}

fn control_plane(number: u128) -> ControlPlaneId {
    ControlPlaneId::from_uuid(Uuid::from_u128(number))
}

fn snapshot(number: u128) -> StateSnapshotId {
    StateSnapshotId::from_uuid(Uuid::from_u128(number))
}

fn facts(index: u64) -> StateFacts {
    StateFacts {
        index,
        taken_at: Timestamp::from_second(1_785_000_000).unwrap(),
        level: 5,
        node: "node-1".to_owned(),
        release: "0.1.0".to_owned(),
        sealing_key_check: "00".to_owned(),
    }
}

/// Two parts, the first of which shrinks and the second does not.
fn state() -> Vec<u8> {
    let noise = (0u32..5000).map(|n| blake3::hash(&n.to_le_bytes()).as_bytes()[0]);
    vec![7; STATE_PART_BYTES].into_iter().chain(noise).collect()
}

async fn write(snapshots: &StateSnapshots, id: StateSnapshotId, state: &[u8]) -> StateWriter {
    let mut writer = snapshots.writer(id).await.unwrap();
    for part in state.chunks(STATE_PART_BYTES) {
        writer.put(Bytes::copy_from_slice(part)).await.unwrap();
    }
    writer
}

async fn read(snapshots: &StateSnapshots, mark: &StateMark) -> Result<Vec<u8>> {
    let mut state = Vec::new();
    let sink = |part: &[u8]| {
        state.extend_from_slice(part);
        Ok(())
    };
    snapshots.read(mark, sink).await.map(|()| state)
}

async fn open(place: &Place) -> (Repository, RepositoryKey) {
    let key = RepositoryKey::generate();
    let repository = Repository::init(place.store(), &key).await.unwrap();
    (repository, key)
}

async fn a_snapshot_comes_back_as_it_was(place: Place) {
    let (repository, key) = open(&place).await;
    let snapshots = repository.state_snapshots(control_plane(1));
    let writer = write(&snapshots, snapshot(1), &state()).await;
    let put = writer.commit(facts(10)).await.unwrap();
    // Another process, with nothing but the key.
    let again = Repository::open(place.store(), &key, None).await.unwrap();
    assert_eq!(again.control_planes().await.unwrap(), [control_plane(1)]);
    let snapshots = again.state_snapshots(control_plane(1));
    assert_eq!(snapshots.list().await.unwrap(), [snapshot(1)]);
    let mark = snapshots.mark(snapshot(1)).await.unwrap();
    assert_eq!(mark, put);
    assert_eq!(mark.facts, facts(10));
    assert_eq!(mark.state_bytes(), state().len() as u64);
    assert!(mark.stored_bytes() < mark.state_bytes() / 100);
    assert_eq!(read(&snapshots, &mark).await.unwrap(), state());
}

async fn without_its_mark_there_is_no_snapshot(place: Place) {
    let (repository, _) = open(&place).await;
    let snapshots = repository.state_snapshots(control_plane(1));
    let writer = write(&snapshots, snapshot(1), &state()).await;
    assert_eq!(snapshots.list().await.unwrap(), []);
    drop(writer);
    let missing = snapshots.mark(snapshot(1)).await.unwrap_err();
    assert_eq!(missing.code(), "repository_object_missing");
    // What was left behind goes by the snapshot's id, its key with it.
    assert_eq!(repository.keys().await.unwrap().len(), 1);
    snapshots.delete(snapshot(1)).await.unwrap();
    assert_eq!(repository.keys().await.unwrap(), []);
}

async fn damage_is_named_and_never_taken_for_the_state(place: Place) {
    let (repository, _) = open(&place).await;
    let snapshots = repository.state_snapshots(control_plane(1));
    let writer = write(&snapshots, snapshot(1), &state()).await;
    let mark = writer.commit(facts(10)).await.unwrap();
    let root = format!("control-plane/{}", control_plane(1));
    let part = |n: u32| format!("{root}/snapshots/{}/{}/{n}", snapshot(1), mark.key);
    let whole = place.raw_read(&part(1)).await;
    for at in [0, 5, 40, 60, 90, whole.len() - 1] {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        place.raw_write(&part(1), changed).await;
        let error = read(&snapshots, &mark).await.unwrap_err();
        assert_eq!(error.code(), "repository_damaged", "byte {at}");
        assert!(error.to_string().contains(&part(1)), "{error}");
    }
    // A part in another's place is damage too.
    place
        .raw_write(&part(1), place.raw_read(&part(0)).await)
        .await;
    let error = read(&snapshots, &mark).await.unwrap_err();
    assert_eq!(error.code(), "repository_damaged");
    place.raw_delete(&part(1)).await;
    let error = read(&snapshots, &mark).await.unwrap_err();
    assert_eq!(error.code(), "repository_object_missing");
    // And a mark under another's name.
    let moved = format!("{root}/marks/{}", snapshot(2));
    let own = format!("{root}/marks/{}", snapshot(1));
    place.raw_write(&moved, place.raw_read(&own).await).await;
    let error = snapshots.mark(snapshot(2)).await.unwrap_err();
    assert_eq!(error.code(), "repository_damaged");
}

async fn only_what_is_its_own_is_deleted(place: Place) {
    let (repository, _) = open(&place).await;
    let own = repository.state_snapshots(control_plane(1));
    let other = repository.state_snapshots(control_plane(2));
    for (snapshots, id) in [(&own, 1), (&own, 2), (&other, 1)] {
        let writer = write(snapshots, snapshot(id), &state()).await;
        writer.commit(facts(10)).await.unwrap();
    }
    own.delete(snapshot(1)).await.unwrap();
    own.delete(snapshot(1)).await.unwrap();
    assert_eq!(own.list().await.unwrap(), [snapshot(2)]);
    for (snapshots, id) in [(&own, 2), (&other, 1)] {
        let mark = snapshots.mark(snapshot(id)).await.unwrap();
        assert_eq!(read(snapshots, &mark).await.unwrap(), state());
    }
}

async fn of_two_writers_one_mark_counts(place: Place) {
    let (repository, _) = open(&place).await;
    let snapshots = repository.state_snapshots(control_plane(1));
    let first = write(&snapshots, snapshot(1), b"first").await;
    let second = write(&snapshots, snapshot(1), b"second").await;
    let won = second.commit(facts(11)).await.unwrap();
    let lost = first.commit(facts(10)).await.unwrap();
    assert_eq!(lost, won);
    assert_eq!(read(&snapshots, &won).await.unwrap(), b"second");
}
