//! `repo verify`: what is wrong is found, and what it costs is said.

use std::sync::Arc;

use crate::support;
use crate::support::{
    File, Fixture, Place, Random, backup_id, commit_facts, lsn, segment, wal_bytes, write_backup,
};
use bytes::Bytes;
use holdfast_repo::*;
use holdfast_types::Timeline;

on_all_stores! {
    an_intact_repository_has_no_findings
    a_damaged_chunk_is_found_by_the_deep_form_only
    a_missing_pack_and_a_short_one_are_found
    a_missing_segment_costs_what_comes_after_it
    damaged_wal_is_found_by_the_deep_form
    a_slice_that_differs_from_its_segment_is_found
    a_broken_backup_costs_what_no_other_covers
    a_switched_timeline_has_no_gap
    a_mark_that_cannot_be_read_is_found
}

fn files() -> Vec<File> {
    let random = |length: usize| {
        let mut bytes = vec![0; length];
        Random(length as u64).fill(&mut bytes);
        bytes
    };
    vec![
        File::new("small", "x"),
        File::new("large", random(900_000)),
        File::new("mid", random(300_000)),
    ]
}

async fn back_up(fixture: &Fixture, number: u128, start: &str, stop: &str) -> Backup {
    let options = WriteOptions {
        codec: Codec::None,
        pack_bytes: 200_000,
        uploads: 2,
    };
    let finished = write_backup(&fixture.lineage, backup_id(number), &files(), options)
        .await
        .unwrap();
    finished
        .commit(commit_facts(&format!("run-{number}"), start, stop))
        .await
        .unwrap()
}

/// WAL from 0/300000 to 0/900000 and a backup at its start.
async fn protected(place: Place) -> Fixture {
    let fixture = Fixture::new(place).await;
    fixture.put_wal("0/300000", "0/900000").await;
    back_up(&fixture, 1, "0/300028", "0/400100").await;
    fixture
}

async fn verify(fixture: &Fixture, deep: bool) -> Vec<Finding> {
    let repository = fixture.reopen().await.repository().clone();
    let options = VerifyOptions {
        deep,
        ..VerifyOptions::default()
    };
    repository
        .verify(&options, &Arc::default())
        .await
        .unwrap()
        .findings
}

fn lost(finding: &Finding) -> Vec<(String, String)> {
    finding
        .lost
        .iter()
        .map(|lost| (lost.from_lsn.to_string(), lost.to_lsn.to_string()))
        .collect()
}

fn pair(from: &str, to: &str) -> (String, String) {
    (from.to_owned(), to.to_owned())
}

async fn an_intact_repository_has_no_findings(place: Place) {
    let fixture = protected(place).await;
    back_up(&fixture, 2, "0/500028", "0/600100").await;
    assert_eq!(verify(&fixture, false).await, []);
    let progress = Arc::new(VerifyProgress::default());
    let options = VerifyOptions {
        deep: true,
        cluster: Some(support::cluster()),
        ..VerifyOptions::default()
    };
    let report = fixture
        .repository
        .verify(&options, &progress)
        .await
        .unwrap();
    assert_eq!(report.findings, []);
    assert!(progress.bytes() >= 2 * 1_200_000 + 6 * (1 << 20));
    assert!(progress.objects() > 10);
}

async fn a_damaged_chunk_is_found_by_the_deep_form_only(place: Place) {
    let fixture = protected(place).await;
    let packs = fixture.place.raw_list().await;
    let pack = packs.iter().find(|name| name.contains("/packs/")).unwrap();
    fixture.place.raw_damage(pack).await;
    assert_eq!(verify(&fixture, false).await, []);
    let findings = verify(&fixture, true).await;
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(&findings[0].object, pack);
    assert!(
        findings[0].problem.contains("seal"),
        "{}",
        findings[0].problem
    );
    assert_eq!(lost(&findings[0]), [pair("0/400100", "0/900000")]);
    assert!(findings[0].lost[0].from.is_some() && findings[0].lost[0].to.is_some());
}

async fn a_missing_pack_and_a_short_one_are_found(place: Place) {
    let fixture = protected(place).await;
    let names = fixture.place.raw_list().await;
    let packs: Vec<&String> = names
        .iter()
        .filter(|name| name.contains("/packs/"))
        .collect();
    fixture.place.raw_delete(packs[0]).await;
    let whole = fixture.place.raw_read(packs[1]).await;
    fixture
        .place
        .raw_write(packs[1], &whole[..whole.len() - 1])
        .await;
    let findings = verify(&fixture, false).await;
    let problem = |name: &str| {
        findings
            .iter()
            .find(|finding| finding.object == name)
            .unwrap()
            .problem
            .clone()
    };
    assert_eq!(problem(packs[0]), "it is missing");
    assert!(problem(packs[1]).contains("bytes, not"));
}

async fn a_missing_segment_costs_what_comes_after_it(place: Place) {
    let fixture = protected(place).await;
    back_up(&fixture, 2, "0/700028", "0/800100").await;
    let gone = segment(1, "0/500000");
    fixture
        .place
        .raw_delete(&fixture.name(&format!("wal/00000001/{gone}")))
        .await;
    for deep in [false, true] {
        let findings = verify(&fixture, deep).await;
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(
            findings[0].problem,
            "WAL from 0/500000 to 0/600000 is missing"
        );
        // From the hole to the second backup, which needs none of it.
        assert_eq!(lost(&findings[0]), [pair("0/500000", "0/800100")]);
        let times = &findings[0].lost[0];
        assert_eq!(
            times.to,
            Some(commit_facts("x", "0/700028", "0/800100").finished_at)
        );
    }
}

async fn damaged_wal_is_found_by_the_deep_form(place: Place) {
    let fixture = protected(place).await;
    let name = fixture.name(&format!("wal/00000001/{}", segment(1, "0/600000")));
    fixture.place.raw_damage(&name).await;
    assert_eq!(verify(&fixture, false).await, []);
    let findings = verify(&fixture, true).await;
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].object, name);
    assert_eq!(lost(&findings[0]), [pair("0/600000", "0/900000")]);
    // An object that cannot even hold a header needs no opening.
    fixture.place.raw_write(&name, "short").await;
    assert_eq!(verify(&fixture, false).await[0].object, name);
}

async fn a_slice_that_differs_from_its_segment_is_found(place: Place) {
    let fixture = protected(place).await;
    let segment = segment(1, "0/600000");
    let same = support::range("0/600000", "0/600100");
    let other = support::range("0/600100", "0/600200");
    let put = |range, bytes| {
        let wal = fixture.wal();
        async move { wal.put_slice(Timeline::FIRST, range, bytes).await.unwrap() }
    };
    put(same, wal_bytes(segment).slice(..256)).await;
    assert_eq!(verify(&fixture, true).await, []);
    put(other, Bytes::from(vec![7; 256])).await;
    let findings = verify(&fixture, true).await;
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(
        findings[0]
            .object
            .ends_with("0000000000600100-0000000000600200")
    );
    assert_eq!(lost(&findings[0]), []);
}

async fn a_broken_backup_costs_what_no_other_covers(place: Place) {
    let fixture = protected(place).await;
    back_up(&fixture, 2, "0/600028", "0/700100").await;
    let section = fixture.name(&format!("manifests/{}/0", backup_id(1)));
    fixture.place.raw_delete(&section).await;
    let findings = verify(&fixture, false).await;
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].object, section);
    assert_eq!(lost(&findings[0]), [pair("0/400100", "0/700100")]);
    // The later one costs nothing while the earlier reaches as far.
    let fixture = protected(Place::file()).await;
    back_up(&fixture, 2, "0/600028", "0/700100").await;
    fixture
        .place
        .raw_delete(&fixture.name(&format!("manifests/{}/0", backup_id(2))))
        .await;
    let findings = verify(&fixture, false).await;
    assert_eq!(
        (findings.len(), lost(&findings[0])),
        (1, vec![]),
        "{findings:?}"
    );
}

async fn a_switched_timeline_has_no_gap(place: Place) {
    let fixture = Fixture::new(place).await;
    fixture.put_wal("0/300000", "0/600000").await;
    back_up(&fixture, 1, "0/300028", "0/400100").await;
    // The old primary's last segment is there in part only.
    let tail = support::range("0/600000", "0/600400");
    let bytes = wal_bytes(segment(1, "0/600000")).slice(..0x400);
    fixture
        .wal()
        .put_slice(Timeline::FIRST, tail, bytes)
        .await
        .unwrap();
    let two = Timeline::new(2).unwrap();
    let history = Bytes::from_static(b"1\t0/600300\tno recovery target specified\n");
    fixture.wal().put_history(two, history).await.unwrap();
    for at in ["0/600000", "0/700000"] {
        let segment = segment(2, at);
        fixture
            .wal()
            .put_segment(segment, wal_bytes(segment))
            .await
            .unwrap();
    }
    assert_eq!(verify(&fixture, true).await, []);
    fixture
        .place
        .raw_delete(&fixture.name(&format!("wal/00000002/{}", segment(2, "0/600000"))))
        .await;
    let findings = verify(&fixture, true).await;
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].object, fixture.name("wal/00000002"));
    // Up to the switch, the slice of the old timeline serves both.
    assert_eq!(
        findings[0].problem,
        "WAL from 0/600300 to 0/700000 is missing"
    );
    assert_eq!(lost(&findings[0]), [pair("0/600300", "0/800000")]);
    assert_eq!(findings[0].lost[0].timeline, two);
    assert!(findings[0].lost[0].from_lsn >= lsn("0/600300"));
}

async fn a_mark_that_cannot_be_read_is_found(place: Place) {
    let fixture = protected(place).await;
    back_up(&fixture, 2, "0/500028", "0/600100").await;
    let mark = fixture.name("marks/run-1");
    fixture.place.raw_damage(&mark).await;
    let findings = verify(&fixture, false).await;
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].object, mark);
    let text = serde_json::to_value(&findings[0]).unwrap();
    assert!(text["object"].is_string() && text["problem"].is_string() && text["lost"].is_array());
}
