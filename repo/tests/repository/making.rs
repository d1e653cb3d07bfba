//! Making and opening repositories, and telling what is wrong with one.

use crate::support;
use crate::support::{Fixture, Place, cluster, facts, lineage_id};
use holdfast_repo::*;
use holdfast_types::{Lineage, RepositoryId, Secret, SegmentSize};
use uuid::Uuid;

on_all_stores! {
    making_it_again_opens_it
    two_who_make_it_at_once_agree
    an_empty_place_is_not_a_repository
    another_key_is_told_from_damage
    another_repository_is_refused
    a_damaged_marker_is_told
    a_newer_format_is_told
    lineages_are_kept_apart
    two_who_make_a_lineage_at_once_agree
    a_forged_lineage_is_refused
    keys_are_listed
}

async fn making_it_again_opens_it(place: Place) {
    let key = RepositoryKey::generate();
    let first = Repository::init(place.store(), &key).await.unwrap();
    let second = Repository::init(place.store(), &key).await.unwrap();
    assert_eq!(first.id(), second.id());
    let opened = Repository::open(place.store(), &key, Some(first.id()))
        .await
        .unwrap();
    assert_eq!(opened.created_at(), first.created_at());
    assert_eq!(opened.url(), &place.url);
    assert_eq!(
        place.raw_list().await,
        ["holdfast.json"],
        "the probe is gone"
    );
    let foreign = Repository::init(place.store(), &RepositoryKey::generate()).await;
    assert_eq!(foreign.unwrap_err().code(), "wrong_repository_key");
}

async fn two_who_make_it_at_once_agree(place: Place) {
    let key = RepositoryKey::generate();
    let (a, b) = tokio::join!(
        Repository::init(place.store(), &key),
        Repository::init(place.store(), &key)
    );
    assert_eq!(a.unwrap().id(), b.unwrap().id());
}

async fn an_empty_place_is_not_a_repository(place: Place) {
    let error = Repository::open(place.store(), &RepositoryKey::generate(), None)
        .await
        .unwrap_err();
    assert_eq!(error.code(), "not_a_repository");
    assert!(error.to_string().contains(&place.url.to_string()));
    assert!(error.hint().contains("repo init"));
}

async fn another_key_is_told_from_damage(place: Place) {
    let fixture = Fixture::new(place).await;
    let other = RepositoryKey::generate();
    let error = Repository::open(fixture.place.store(), &other, None)
        .await
        .unwrap_err();
    assert_eq!(error.code(), "wrong_repository_key");
    let text = other.to_text();
    assert!(!format!("{error} {error:?}").contains(text.expose().trim()));
    // The right key and a damaged object.
    let key = fixture
        .place
        .raw_list()
        .await
        .into_iter()
        .find(|name| name.starts_with("keys/"))
        .unwrap();
    fixture.place.raw_damage(&key).await;
    let repository = Repository::open(fixture.place.store(), &fixture.key, None)
        .await
        .unwrap();
    let error = repository
        .lineage(&cluster(), lineage_id())
        .await
        .unwrap_err();
    assert_eq!(error.code(), "repository_damaged");
}

// Pitfall 25
async fn another_repository_is_refused(place: Place) {
    let fixture = Fixture::new(place).await;
    let expected = RepositoryId::from_uuid(Uuid::from_u128(1));
    let opened = Repository::open(fixture.place.store(), &fixture.key, Some(expected)).await;
    let error = opened.unwrap_err();
    assert!(
        matches!(error, Error::OtherRepository { found, .. } if found == fixture.repository.id())
    );
    assert_eq!(error.code(), "other_repository");
}

async fn a_damaged_marker_is_told(place: Place) {
    let fixture = Fixture::new(place).await;
    for text in ["", "{", "{\"format\":1}"] {
        fixture.place.raw_write("holdfast.json", text).await;
        let opened = Repository::open(fixture.place.store(), &fixture.key, None).await;
        assert_eq!(opened.unwrap_err().code(), "repository_damaged", "{text}");
        let made = Repository::init(fixture.place.store(), &fixture.key).await;
        assert_eq!(made.unwrap_err().code(), "repository_damaged", "{text}");
    }
}

async fn a_newer_format_is_told(place: Place) {
    let fixture = Fixture::new(place).await;
    fixture
        .place
        .raw_write("holdfast.json", "{\"format\":2,\"other\":true}")
        .await;
    let error = Repository::open(fixture.place.store(), &fixture.key, None)
        .await
        .unwrap_err();
    assert_eq!(error.code(), "unsupported_repository_format");
}

// Pitfall 23
async fn lineages_are_kept_apart(place: Place) {
    let fixture = Fixture::new(place).await;
    let clone = Lineage {
        incarnation: 2,
        ..lineage_id()
    };
    fixture
        .repository
        .create_or_open_lineage(&cluster(), clone, facts())
        .await
        .unwrap();
    assert_eq!(fixture.repository.clusters().await.unwrap(), [cluster()]);
    assert_eq!(
        fixture.repository.lineages(&cluster()).await.unwrap(),
        [lineage_id(), clone]
    );
    assert_eq!(fixture.repository.all_lineages().await.unwrap().len(), 2);
    let reopened = fixture.reopen().await;
    assert_eq!(
        (reopened.facts(), reopened.created_at()),
        (facts(), fixture.lineage.created_at())
    );

    let (repository, name) = (&fixture.repository, cluster());
    let again = |facts| repository.create_or_open_lineage(&name, lineage_id(), facts);
    again(LineageFacts {
        postgres_version: 150_021,
        ..facts()
    })
    .await
    .unwrap();
    let upgraded = again(LineageFacts {
        postgres_version: 160_000,
        ..facts()
    })
    .await;
    assert_eq!(upgraded.unwrap_err().code(), "lineage_mismatch");
    let other = again(LineageFacts {
        segment_size: SegmentSize::DEFAULT,
        ..facts()
    })
    .await;
    assert_eq!(other.unwrap_err().code(), "lineage_mismatch");
    let missing = Lineage {
        incarnation: 3,
        ..lineage_id()
    };
    let missing = fixture.repository.lineage(&cluster(), missing).await;
    assert_eq!(missing.unwrap_err().code(), "lineage_not_found");
}

async fn two_who_make_a_lineage_at_once_agree(place: Place) {
    let key = RepositoryKey::generate();
    let repository = Repository::init(place.store(), &key).await.unwrap();
    let make = || async {
        let lineage = repository
            .create_or_open_lineage(&cluster(), lineage_id(), facts())
            .await
            .unwrap();
        let segment = support::segment(1, "0/300000");
        lineage
            .wal(Codec::None)
            .put_segment(segment, support::wal_bytes(segment))
            .await
            .unwrap()
    };
    let (a, b) = tokio::join!(make(), make());
    assert!(
        [a, b].contains(&Put::Created) && [a, b].contains(&Put::Same),
        "{a:?} {b:?}"
    );
}

async fn a_forged_lineage_is_refused(place: Place) {
    let fixture = Fixture::new(place).await;
    let name = fixture.name("lineage.json");
    let text = String::from_utf8(fixture.place.raw_read(&name).await).unwrap();
    assert!(text.contains("\"systemIdentifier\":\"7301234567890123456\""));
    fixture
        .place
        .raw_write(&name, text.replace("150020", "150021"))
        .await;
    let repository = Repository::open(fixture.place.store(), &fixture.key, None)
        .await
        .unwrap();
    let error = repository
        .lineage(&cluster(), lineage_id())
        .await
        .unwrap_err();
    assert_eq!(error.code(), "repository_damaged");
}

async fn keys_are_listed(place: Place) {
    let fixture = Fixture::new(place).await;
    let keys = fixture.repository.keys().await.unwrap();
    let mut purposes: Vec<_> = keys
        .iter()
        .map(|key| (key.purpose, key.wraps.clone()))
        .collect();
    purposes.sort_by_key(|(purpose, _)| format!("{purpose:?}"));
    assert_eq!(
        purposes,
        [
            (Some(KeyPurpose::Hash), vec![0]),
            (Some(KeyPurpose::Wal), vec![0])
        ]
    );
    let damaged = keys[0].id;
    fixture.place.raw_damage(&format!("keys/{damaged}/0")).await;
    let repository = Repository::open(fixture.place.store(), &fixture.key, None)
        .await
        .unwrap();
    let keys = repository.keys().await.unwrap();
    assert_eq!(
        keys.iter().find(|key| key.id == damaged).unwrap().purpose,
        None
    );
}

#[tokio::test]
async fn nothing_of_the_content_or_of_the_keys_is_stored_in_clear() {
    let fixture = Fixture::new(Place::file()).await;
    let segment = support::segment(1, "0/300000");
    let marker = b"a row that nobody else may read";
    let mut bytes = support::wal_bytes(segment).to_vec();
    bytes[1000..1000 + marker.len()].copy_from_slice(marker);
    fixture
        .lineage
        .wal(Codec::None)
        .put_segment(segment, bytes.into())
        .await
        .unwrap();
    let key: Secret = fixture.key.to_text();
    for name in fixture.place.raw_list().await {
        let stored = fixture.place.raw_read(&name).await;
        let holds = |needle: &[u8]| stored.windows(needle.len()).any(|part| part == needle);
        assert!(!holds(marker), "{name}");
        assert!(!holds(key.expose().trim().as_bytes()), "{name}");
    }
}
