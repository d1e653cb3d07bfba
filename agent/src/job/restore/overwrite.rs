//! The file that a piece is written into, which may be there already.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// What is opened is the file itself.
const NOT_THROUGH_LINKS: i32 = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();

/// Opens it, or makes it. Pieces of one file may be written at once, so none
/// truncates it.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options.mode(0o600).custom_flags(NOT_THROUGH_LINKS);
    options.open(path)
}

/// Reads what is there already; `false` if it is less.
pub(super) fn held(file: &File, at: u64, there: &mut [u8]) -> io::Result<bool> {
    match file.read_exact_at(there, at) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// Writes zeros over what is there. What lies behind the file's end reads as
/// zeros at any rate.
pub(super) fn zero(file: &File, range: Range<u64>) -> io::Result<()> {
    static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
    let (mut at, end) = (range.start, file.metadata()?.len().min(range.end));
    while at < end {
        let length = (end - at).min(ZEROS.len() as u64);
        let zeros = ZEROS.get(..usize::try_from(length).unwrap_or(ZEROS.len()));
        file.write_all_at(zeros.unwrap_or(&ZEROS), at)?;
        at += length;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_end_with_the_file_and_links_are_not_followed() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("file");
        std::fs::write(&path, vec![7; 100_000]).unwrap();
        let file = open(&path).unwrap();
        zero(&file, 10..70_000).unwrap();
        zero(&file, 99_990..200_000).unwrap();
        let mut expected = vec![7; 100_000];
        expected[10..70_000].fill(0);
        expected[99_990..].fill(0);
        assert!(std::fs::read(&path).unwrap() == expected);
        let mut there = [1; 10];
        assert!(held(&file, 99_990, &mut there).unwrap());
        assert_eq!(there, [0; 10]);
        assert!(!held(&file, 99_991, &mut there).unwrap());
        let link = root.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(open(&link).is_err());
    }
}
