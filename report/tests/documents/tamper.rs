//! Signatures: what they prove, and that nothing can be changed.

use std::sync::LazyLock;

use holdfast_report::{Format, Refused, Report, Whose, body, document, seal, verify};
use jiff::Timestamp;
use proptest::prelude::*;
use rcgen::ExtendedKeyUsagePurpose;

use crate::fleet;
use crate::keys::Ca;

const FORMATS: [Format; 3] = [Format::Json, Format::Csv, Format::Pdf];

fn now() -> Timestamp {
    "2026-11-30T12:00:00Z".parse().unwrap()
}

struct Files {
    ca: Ca,
    files: [Vec<u8>; 3],
}

static FILES: LazyLock<Files> = LazyLock::new(|| {
    let ca = Ca::new();
    let signer = ca.signer();
    let report = fleet::report(2, 5);
    let files = FORMATS.map(|format| {
        let document = document(&report, body(&report).unwrap(), format).unwrap();
        signer.seal(format, &document)
    });
    Files { ca, files }
});

#[test]
fn a_signed_file_is_verified_and_its_signer_named() {
    let Files { ca, files } = &*FILES;
    for (format, file) in FORMATS.into_iter().zip(files) {
        let verified = verify(file, Some(&ca.certificate), now()).unwrap();
        assert_eq!(verified.format, format);
        assert_eq!(verified.signer, "Holdfast reports");
        let known = Whose::Known {
            ca: "Holdfast CA".to_owned(),
        };
        assert_eq!(verified.whose, known);
        let opened = seal::open(file).unwrap();
        assert_eq!(verified.sha256, seal::sha256(opened.document));
        let unknown = verify(file, None, now()).unwrap();
        assert_eq!(unknown.whose, Whose::NotChecked);
    }
}

#[test]
fn the_json_file_is_json_with_the_report_in_it() {
    let file: serde_json::Value = serde_json::from_slice(&FILES.files[0]).unwrap();
    let report: Report = serde_json::from_value(file["report"].clone()).unwrap();
    assert_eq!(report, fleet::report(2, 5));
    assert_eq!(file["signature"]["algorithm"], "Ed25519");
}

#[test]
fn another_ca_and_another_use_of_a_certificate_are_refused() {
    let Files { ca, files } = &*FILES;
    let other = Ca::new();
    for file in files {
        let refused = verify(file, Some(&other.certificate), now()).unwrap_err();
        assert_eq!(refused.code(), "report_signer_unknown", "{refused}");
    }
    // A key of an agent, which the same CA made.
    let agent = ca.signer_for(ExtendedKeyUsagePurpose::ClientAuth);
    let forged = agent.seal(Format::Json, b"{}");
    let refused = verify(&forged, Some(&ca.certificate), now()).unwrap_err();
    assert!(matches!(refused, Refused::Foreign { .. }), "{refused}");
    assert!(
        refused.to_string().contains("for something else"),
        "{refused}"
    );
    let refused = verify(&files[0], Some(b"no certificate"), now()).unwrap_err();
    assert_eq!(refused, Refused::UnreadableCa);
}

#[test]
fn a_certificate_is_good_for_its_time() {
    let Files { ca, files } = &*FILES;
    for at in ["2025-12-31T23:59:59Z", "2046-01-01T00:00:01Z"] {
        let refused = verify(&files[0], Some(&ca.certificate), at.parse().unwrap());
        assert_eq!(refused.unwrap_err().code(), "report_certificate_not_valid");
    }
}

#[test]
fn what_was_never_signed_is_no_report() {
    for file in [
        &b""[..],
        b"{}",
        b"%PDF-1.7\n%%EOF\n",
        b"a,b\r\n",
        b"{\"report\":1}\n",
    ] {
        let refused = verify(file, None, now()).unwrap_err();
        assert_eq!(refused.code(), "report_not_signed");
    }
}

#[test]
fn a_signature_taken_from_another_report_does_not_fit() {
    let signer = FILES.ca.signer();
    let mut signature = signer.sign(b"{\"one\":1}");
    let other = b"{\"two\":2}";
    let forged = seal::seal(Format::Json, other, &signature);
    assert_eq!(
        verify(&forged, None, now()).unwrap_err().code(),
        "report_altered"
    );
    signature.sha256 = seal::sha256(other);
    let forged = seal::seal(Format::Json, other, &signature);
    assert_eq!(
        verify(&forged, None, now()).unwrap_err().code(),
        "report_altered"
    );
}

/// Every byte of what is around a document, with each of its bits.
#[test]
fn no_bit_around_the_document_can_be_changed() {
    let Files { ca, files } = &*FILES;
    for (format, file) in FORMATS.into_iter().zip(files) {
        let opened = seal::open(file).unwrap();
        let begins = file
            .windows(16)
            .position(|window| window == &opened.document[..16]);
        let begins = begins.unwrap();
        let around = (0..begins).chain(begins + opened.document.len()..file.len());
        for place in around {
            let mut changed = file.clone();
            changed[place] ^= 1 << (place % 8);
            let refused = verify(&changed, Some(&ca.certificate), now());
            assert!(refused.is_err(), "{format}: byte {place}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_byte_can_be_changed(format in 0usize..3, place: prop::sample::Index, by in 1u8..=255) {
        let Files { ca, files } = &*FILES;
        let mut changed = files[format].clone();
        let place = place.index(changed.len());
        changed[place] ^= by;
        prop_assert!(verify(&changed, Some(&ca.certificate), now()).is_err(), "byte {place}");
    }

    #[test]
    fn nothing_can_be_added_or_taken_away(
        format in 0usize..3,
        place: prop::sample::Index,
        taken in 0usize..40,
        added in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let Files { ca, files } = &*FILES;
        let mut changed = files[format].clone();
        let from = place.index(changed.len() + 1);
        let until = (from + taken).min(changed.len());
        changed.splice(from..until, added);
        prop_assume!(changed != files[format]);
        prop_assert!(verify(&changed, Some(&ca.certificate), now()).is_err(), "byte {from}");
    }

    #[test]
    fn no_bytes_make_it_fall(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for begins in [&b"%PDF-"[..], b"{\"report\":", b"section,"] {
            let file = [begins, &bytes].concat();
            prop_assert!(verify(&file, None, now()).is_err());
        }
    }
}
