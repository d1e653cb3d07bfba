use proptest::prelude::*;

use super::*;

fn expect(text: &str) -> Expect {
    text.parse().unwrap()
}

fn passes(text: &str, seen: &str) -> bool {
    expect(text).judge(Some(seen), None, None).passed
}

#[test]
fn every_form_of_the_contract_is_read_and_printed() {
    for text in [
        "= 5",
        "!= 0",
        "< 1.5",
        "<= -3",
        "> 2026-02-03",
        ">= 10",
        "matches /^v[0-9]+$/",
        "within 10m of target",
        "drift <= 5%",
        "drift <= 0.25%",
        "= ' padded '",
    ] {
        assert_eq!(expect(text).to_string(), text);
    }
    assert_eq!(expect(">5"), expect("> 5"));
    assert_eq!(expect("= 'abc'").to_string(), "= abc");
    for bad in [
        "",
        "5",
        "=",
        "== ",
        "matches re",
        "matches /(/",
        "within 10m",
        "within soon of target",
        "drift 5%",
        "drift <= 5",
        "drift <= 0.125%",
        "between 1 and 2",
    ] {
        let refused = bad.parse::<Expect>().is_err();
        // `== ` compares with "=", which is a value like any other.
        assert_eq!(refused, bad != "== ", "{bad}");
    }
    assert!("matches /(a{1000}){1000}/".parse::<Expect>().is_err());
}

#[test]
fn numbers_times_and_truths_compare_as_what_they_are() {
    assert!(passes("> 9", "10") && !passes("> 9", "9"));
    assert!(passes("= 10", "10.0") && passes("!= 10", "10.5"));
    assert!(passes("= true", "t") && passes("!= true", "f"));
    assert!(passes("> 2026-02-03", "2026-02-03 00:00:00.1+00"));
    assert!(passes(
        "<= 2026-02-03T01:00:00+01:00",
        "2026-02-03 00:00:00+00"
    ));
    assert!(passes("= abc", "abc") && !passes("= abc", "abd"));
    // What cannot be compared has not passed.
    assert!(!passes("> 5", "many") && !passes("< abc", "abb"));
    assert!(passes(
        "= 170141183460469231731687303715884105727",
        "170141183460469231731687303715884105727"
    ));
    assert!(!passes("= 9007199254740993", "9007199254740992"));
}

#[test]
fn null_is_nothing_but_null() {
    let seen = |text: &str| {
        expect(text)
            .judge(None, Some(Timestamp::UNIX_EPOCH), Some("1"))
            .passed
    };
    assert!(seen("= null") && seen("!= 5"));
    for text in [
        "!= null",
        "= 5",
        "> 5",
        "matches /.*/",
        "within 1h of target",
        "drift <= 5%",
    ] {
        assert!(!seen(text), "{text}");
    }
}

#[test]
fn a_time_is_near_the_target_or_not() {
    let target: Timestamp = "2026-02-03T02:41:07Z".parse().unwrap();
    let judge = |seen: &str| expect("within 10m of target").judge(Some(seen), Some(target), None);
    assert!(judge("2026-02-03 02:31:07+00").passed);
    assert!(judge("2026-02-03 03:41:07.5+01").passed);
    assert!(!judge("2026-02-03 02:31:06.999+00").passed);
    assert!(
        judge("2026-02-03 02:41:07").passed,
        "without a zone it is UTC"
    );
    assert!(!judge("yesterday").passed);
    let nowhere = expect("within 10m of target").judge(Some("2026-02-03 02:41:07"), None, None);
    assert!(!nowhere.passed);
}

#[test]
fn drift_is_judged_against_the_drill_before() {
    let judge = |seen: &str, before: Option<&str>| {
        expect("drift <= 10%")
            .judge(Some(seen), None, before)
            .passed
    };
    assert!(judge("100", None));
    assert!(judge("90", Some("100")) && judge("110", Some("100")));
    assert!(!judge("89", Some("100")) && !judge("111", Some("100")));
    assert!(judge("0", Some("0")) && !judge("1", Some("0")));
    assert!(!judge("many", Some("100")));
}

proptest! {
    #[test]
    fn what_is_printed_reads_back(value in "[ -~]{1,20}", sign in 0usize..6) {
        let (_, compare) = SIGNS[sign];
        // Both quotes and spaces around: there is no way to write it.
        prop_assume!(!(value.contains('\'') && value.contains('"')));
        let expect = Expect::Compare(compare, value);
        let text = expect.to_string();
        let read = text.parse::<Expect>();
        // A value that begins with `=` after `<` or `>` reads as another sign only
        // when no space is between.
        prop_assert_eq!(read, Ok(expect));
    }

    #[test]
    fn comparisons_of_integers_are_theirs(one in any::<i64>(), other in any::<i64>()) {
        let passes = |sign: &str| passes(&format!("{sign} {other}"), &one.to_string());
        prop_assert_eq!(passes("="), one == other);
        prop_assert_eq!(passes("!="), one != other);
        prop_assert_eq!(passes("<"), one < other);
        prop_assert_eq!(passes("<="), one <= other);
        prop_assert_eq!(passes(">"), one > other);
        prop_assert_eq!(passes(">="), one >= other);
    }

    #[test]
    fn drift_is_symmetric_and_grows(was in 1u32..1_000_000, moved in 0u32..1_000_000, share in 0u32..20_000) {
        let percent = Percent::from_hundredths(share);
        let judge = |now: i64| Expect::Drift(percent)
            .judge(Some(&now.to_string()), None, Some(&was.to_string())).passed;
        let (up, down) = (i64::from(was) + i64::from(moved), i64::from(was) - i64::from(moved));
        prop_assert_eq!(judge(up), judge(down));
        prop_assert!(judge(i64::from(was)));
        if judge(up) && moved > 0 {
            prop_assert!(judge(up - 1));
        }
    }

    #[test]
    fn a_share_reads_back(hundredths in 0u32..1_000_000) {
        let share = Percent::from_hundredths(hundredths);
        prop_assert_eq!(share.to_string().parse::<Percent>(), Ok(share));
    }
}
