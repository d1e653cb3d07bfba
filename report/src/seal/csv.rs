//! CSV: a last line `signature,Ed25519,SHA256,VALUE,CERTIFICATE`. The document is every
//! line before it. The line is as wide as the others, so that a spreadsheet reads it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Signature, last};

/// How a line ends.
const END: &str = "\r\n";
const BEGINS: &[u8] = b"\r\nsignature,";

pub(super) fn join(document: &[u8], signature: &Signature) -> Vec<u8> {
    let line = [
        "signature",
        &signature.algorithm,
        &signature.sha256,
        &STANDARD.encode(&signature.value),
        &STANDARD.encode(&signature.certificate),
    ];
    let mut file = document.to_vec();
    file.extend_from_slice(line.join(",").as_bytes());
    let empty = width(document).saturating_sub(line.len());
    file.extend(std::iter::repeat_n(b',', empty));
    file.extend_from_slice(END.as_bytes());
    file
}

pub(super) fn split(file: &[u8]) -> Option<(&[u8], Signature)> {
    let at = last(file, BEGINS)? + END.len();
    let (document, line) = file.split_at_checked(at)?;
    let line = std::str::from_utf8(line).ok()?.strip_suffix(END)?;
    let mut cells = line.split(',').skip(1);
    let algorithm = cells.next()?.to_owned();
    let sha256 = cells.next()?.to_owned();
    let mut bytes = || STANDARD.decode(cells.next()?).ok();
    let signature = Signature {
        algorithm,
        sha256,
        value: bytes()?,
        certificate: bytes()?,
    };
    Some((document, signature))
}

/// How many cells the first line has: names of columns, none of them quoted.
fn width(document: &[u8]) -> usize {
    let line = document.split(|byte| *byte == b'\r').next();
    line.map_or(0, |line| {
        line.iter().filter(|byte| **byte == b',').count() + 1
    })
}
