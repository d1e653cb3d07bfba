use jiff::Timestamp;
use proptest::prelude::*;

use super::super::{Beyond, Measured, Severity, lint};
use super::*;
use crate::resource::Document;

fn ask(rpo: Span, rto: Option<Span>, size: ByteSize) -> Ask {
    Ask {
        rpo,
        rto,
        size,
        repository: "eu".parse().unwrap(),
        selector: Labels::new(),
        rates: Rates::usual(size),
    }
}

fn suggested(rpo: &str, rto: Option<&str>, size: &str) -> Suggestion {
    let rto = rto.map(|rto| rto.parse().unwrap());
    suggest(&ask(rpo.parse().unwrap(), rto, size.parse().unwrap()))
}

fn reason(suggestion: &Suggestion, method: Method) -> &str {
    let found = suggestion.weighed.iter().find(|one| one.method == method);
    &found.unwrap().reason
}

#[test]
fn the_least_that_suffices_is_chosen() {
    let method = |rpo, rto, size| suggested(rpo, rto, size).method;
    assert_eq!(method("2d", None, "10GiB"), Some(Method::Dumps));
    assert_eq!(method("2d", None, "500GiB"), Some(Method::BaseBackups));
    assert_eq!(method("30m", None, "500GiB"), Some(Method::StreamedWal));
    assert_eq!(method("1s", None, "10GiB"), Some(Method::StreamedWal));
    assert_eq!(method("200ms", None, "10GiB"), None);
    // Loading 10 GiB of a dump takes longer than a copy of them.
    assert_eq!(method("2d", Some("5m"), "10GiB"), Some(Method::BaseBackups));
    assert_eq!(method("2d", Some("10s"), "10GiB"), None);
}

#[test]
fn every_method_says_why_or_why_not() {
    let suggestion = suggested("30s", None, "100GiB");
    assert_eq!(
        reason(&suggestion, Method::Dumps),
        "a dump of 100GiB loads the server for long"
    );
    assert_eq!(
        reason(&suggestion, Method::BaseBackups),
        "a backup takes about 512s, and backups every hour lose more than 30s"
    );
    assert_eq!(
        reason(&suggestion, Method::ArchivedWal),
        "a segment would have to be archived every 15s, filled or not"
    );
    assert_eq!(
        reason(&suggestion, Method::StreamedWal),
        "WAL that is stored every 5s loses less than 30s"
    );
    let archived = suggested("10m", None, "100GiB");
    assert_eq!(
        reason(&archived, Method::ArchivedWal),
        "with archive_timeout at 5m no more than 10m is lost"
    );
}

#[test]
fn backups_are_as_often_as_the_restore_time_wants() {
    let every = |rto| {
        let suggestion = suggested("30s", Some(rto), "100GiB");
        let schedule = suggestion
            .policy
            .schedules
            .into_iter()
            .find(|one| one.every.is_some());
        schedule.unwrap().every.unwrap().to_string()
    };
    // 512 s for the data; 10 GiB of WAL a day are 52 s.
    assert_eq!(every("10m"), "1d");
    assert_eq!(every("540s"), "12h");
    assert_eq!(every("526s"), "6h");
}

proptest! {
    /// What is suggested can be applied, and nothing of it is an error.
    #[test]
    fn a_suggestion_is_a_policy_without_errors(
        rpo in 400u64..3 * 86_400_000,
        rto in proptest::option::of(1u64..86_400),
        size in 1u64..(20u64 << 40),
    ) {
        let (rpo, size) = (Span::from_millis(rpo), ByteSize::new(size));
        let suggestion = suggest(&ask(rpo, rto.map(Span::from_secs), size));
        let spec = serde_json::to_value(&suggestion.policy).unwrap();
        let document = serde_json::json!({
            "apiVersion": "holdfast/v1", "kind": "Policy",
            "metadata": {"name": "suggested"}, "spec": spec,
        });
        prop_assert!(Document::from_value(document).is_ok());
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let found = lint(&suggestion.policy, &Beyond::default(), &Measured::default(), now);
        let errors: Vec<_> = found.iter().filter(|lint| lint.severity == Severity::Error).collect();
        prop_assert!(errors.is_empty(), "{:?} {:?}", suggestion.method, errors);
        prop_assert!(!suggestion.reasons.is_empty());
    }
}
