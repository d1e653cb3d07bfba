//! PDF: behind the end of the document a comment with the signature, and the end once
//! more. Readers look for it in the last thousand bytes of a file, and a signature
//! with its certificate is longer than that.

use super::{Signature, last, line};

const COMMENT: &[u8] = b"%holdfast-signature ";
const POINTER: &[u8] = b"startxref\n";

pub(super) fn join(document: &[u8], signature: &Signature) -> Vec<u8> {
    let line = line(signature);
    [document, COMMENT, line.as_bytes(), b"\n", end(document)].concat()
}

pub(super) fn split(file: &[u8]) -> Option<(&[u8], Signature)> {
    let (document, rest) = file.split_at_checked(last(file, COMMENT)?)?;
    let rest = rest.get(COMMENT.len()..)?;
    let at = rest.iter().position(|byte| *byte == b'\n')?;
    Some((document, serde_json::from_slice(rest.get(..at)?).ok()?))
}

/// The last lines of a document: where its table of objects is, and that it ends.
fn end(document: &[u8]) -> &[u8] {
    let at = last(document, POINTER).unwrap_or(document.len());
    document.get(at..).unwrap_or_default()
}
