//! JSON: `{"report": …, "signature": …}`. The document is the value of `report`, as it
//! stands there.

use super::{Signature, last, line};

const BEGINS: &[u8] = b"{\"report\":";
const GOES_ON: &[u8] = b",\"signature\":";
const ENDS: &[u8] = b"}\n";

pub(super) fn join(document: &[u8], signature: &Signature) -> Vec<u8> {
    let line = line(signature);
    [BEGINS, document, GOES_ON, line.as_bytes(), ENDS].concat()
}

pub(super) fn split(file: &[u8]) -> Option<(&[u8], Signature)> {
    let at = last(file, GOES_ON)?;
    let document = file.get(BEGINS.len()..at)?;
    let line = file.get(at + GOES_ON.len()..)?.strip_suffix(ENDS)?;
    Some((document, serde_json::from_slice(line).ok()?))
}
