//! Reading the archives that `BASE_BACKUP` streams (POSIX ustar, as
//! `src/port/tar.c` writes it).
//!
//! What is read decides which files a restore will write, so nothing is
//! believed: a path that is absolute, has an empty, `.` or `..` part, or is of
//! a kind that PostgreSQL does not send, ends the reading. Memory is one block,
//! however long an entry says it is.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Headers and padding are in blocks of this size.
pub const BLOCK: usize = 512;

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TarKind {
    /// A regular file, whose bytes follow.
    File,
    /// A directory.
    Directory,
    /// A symbolic link to there.
    Symlink(PathBuf),
}

/// The header of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TarEntry {
    /// Relative, of plain parts.
    pub path: PathBuf,
    /// What it is.
    pub kind: TarKind,
    /// Bytes that follow.
    pub size: u64,
    /// Its permission bits.
    pub mode: u32,
    /// Last modification, seconds since 1970.
    pub mtime: u64,
}

/// An archive that is none, or no PostgreSQL's.
#[derive(Debug, thiserror::Error)]
pub enum TarError {
    /// It could not be read.
    #[error("the archive cannot be read")]
    Io(#[from] io::Error),
    /// It ends in the middle.
    #[error("the archive ends in the middle of an entry")]
    Truncated,
    /// It is not what PostgreSQL writes.
    #[error("the archive is not one of PostgreSQL's: {0}")]
    Invalid(String),
}

/// Reads one archive from front to back.
pub struct TarReader<R> {
    input: R,
    /// Bytes of the current entry that were not read.
    left: u64,
    padding: u64,
    ended: bool,
}

impl<R: Read> TarReader<R> {
    /// An archive that begins with the next byte.
    pub const fn new(input: R) -> Self {
        Self {
            input,
            left: 0,
            padding: 0,
            ended: false,
        }
    }

    /// The next entry; what is left of the one before is passed over. `None`
    /// at the end: before 15, PostgreSQL writes no blocks of zeros there.
    pub fn next_entry(&mut self) -> Result<Option<TarEntry>, TarError> {
        self.pass(self.left + self.padding)?;
        (self.left, self.padding) = (0, 0);
        if self.ended {
            return Ok(None);
        }
        let mut block = [0; BLOCK];
        match fill(&mut self.input, &mut block)? {
            0 => self.ended = true,
            BLOCK if block.iter().all(|&byte| byte == 0) => self.ended = true,
            BLOCK => {
                let entry = parse(&block)?;
                self.left = entry.size;
                self.padding = entry.size.next_multiple_of(BLOCK as u64) - entry.size;
                return Ok(Some(entry));
            }
            _ => return Err(TarError::Truncated),
        }
        Ok(None)
    }

    /// What it reads from.
    pub fn into_input(self) -> R {
        self.input
    }

    /// Bytes of the current entry that were not read yet.
    pub const fn left(&self) -> u64 {
        self.left
    }

    /// All of the current entry, which must not be longer than `most`.
    pub fn read_all(&mut self, most: u64) -> Result<Vec<u8>, TarError> {
        if self.left > most {
            let left = self.left;
            return Err(TarError::Invalid(format!("{left} bytes of a small file")));
        }
        let mut bytes = Vec::new();
        while self.left > 0 {
            let mut buffer = [0; 8192];
            let length = self.read(&mut buffer)?;
            bytes.extend_from_slice(&buffer[..length]);
        }
        Ok(bytes)
    }

    fn pass(&mut self, mut bytes: u64) -> Result<(), TarError> {
        let mut buffer = [0; 8192];
        while bytes > 0 {
            let wanted = usize::try_from(bytes).map_or(buffer.len(), |n| n.min(buffer.len()));
            let length = self.input.read(&mut buffer[..wanted])?;
            if length == 0 {
                return Err(TarError::Truncated);
            }
            bytes -= length as u64;
        }
        Ok(())
    }
}

/// The bytes of the current entry.
impl<R: Read> Read for TarReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left).map_or(buffer.len(), |n| n.min(buffer.len()));
        if wanted == 0 {
            return Ok(0);
        }
        let length = self.input.read(&mut buffer[..wanted])?;
        if length == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                TarError::Truncated,
            ));
        }
        self.left -= length as u64;
        Ok(length)
    }
}

/// Reads until the buffer is full or the input ends.
fn fill(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(length) => filled += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn parse(block: &[u8; BLOCK]) -> Result<TarEntry, TarError> {
    let invalid = |what: &str| TarError::Invalid(what.to_owned());
    let summed: u64 = block
        .iter()
        .enumerate()
        // The sum counts itself as blanks.
        .map(|(at, &byte)| u64::from(if (148..156).contains(&at) { b' ' } else { byte }))
        .sum();
    if number(&block[148..156]) != Some(summed) {
        return Err(invalid("a header whose checksum is wrong"));
    }
    let size = number(&block[124..136]).ok_or_else(|| invalid("a size that is no number"))?;
    let (kind, size) = match block[156] {
        b'0' | 0 => (TarKind::File, size),
        b'5' => (TarKind::Directory, 0),
        b'2' => {
            let target = text(&block[157..257]);
            if target.is_empty() {
                return Err(invalid("a link to nothing"));
            }
            (
                TarKind::Symlink(PathBuf::from(OsStr::from_bytes(target))),
                0,
            )
        }
        other => {
            return Err(TarError::Invalid(format!(
                "an entry of type {:?}",
                char::from(other)
            )));
        }
    };
    let mut path = text(&block[345..500]).to_vec();
    if !path.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(text(&block[..100]));
    // PostgreSQL ends the names of directories and links with one.
    if kind != TarKind::File && path.len() > 1 && path.ends_with(b"/") {
        path.pop();
    }
    // And begins the names of directories that it makes up so.
    if path.starts_with(b"./") {
        path.drain(..2);
    }
    let plain = |part: &[u8]| !matches!(part, b"" | b"." | b"..");
    if !path.split(|&byte| byte == b'/').all(plain) {
        let shown = String::from_utf8_lossy(&path).escape_debug().to_string();
        return Err(TarError::Invalid(format!(
            "\"{shown}\" leads out of the archive"
        )));
    }
    let mode = number(&block[100..108]).ok_or_else(|| invalid("a mode that is no number"))?;
    Ok(TarEntry {
        path: PathBuf::from(OsStr::from_bytes(&path)),
        kind,
        size,
        mode: u32::try_from(mode & 0o7777).unwrap_or(0o600),
        mtime: number(&block[136..148]).unwrap_or(0),
    })
}

/// Up to the first zero.
fn text(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|&byte| byte == 0);
    &field[..end.unwrap_or(field.len())]
}

/// Octal digits, or, marked by the first bit, a big-endian number.
fn number(field: &[u8]) -> Option<u64> {
    if let Some((&first, rest)) = field.split_first()
        && first & 0x80 != 0
    {
        let first = u64::from(first & 0x7F);
        return rest.iter().try_fold(first, |sum, &byte| {
            sum.checked_mul(256)?.checked_add(u64::from(byte))
        });
    }
    let digits = field.iter().skip_while(|&&byte| byte == b' ');
    let digits = digits.take_while(|&&byte| byte != 0 && byte != b' ');
    let mut some = false;
    let sum = digits.copied().try_fold(0u64, |sum, digit| {
        some = true;
        let digit = char::from(digit).to_digit(8)?;
        sum.checked_mul(8)?.checked_add(u64::from(digit))
    })?;
    some.then_some(sum)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    /// A header as `tarCreateHeader` makes it.
    fn header(name: &[u8], kind: u8, size: u64, link: &[u8]) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        let length = name.len().min(100);
        block[..length].copy_from_slice(&name[..length]);
        block[100..108].copy_from_slice(b"0000600 ");
        block[124..136].copy_from_slice(format!("{size:011o} ").as_bytes());
        block[136..148].copy_from_slice(b"00000000007 ");
        block[156] = kind;
        let length = link.len().min(100);
        block[157..157 + length].copy_from_slice(&link[..length]);
        block[257..265].copy_from_slice(b"ustar\x0000");
        sealed(block)
    }

    fn sealed(mut block: [u8; BLOCK]) -> [u8; BLOCK] {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        block
    }

    fn entries(archive: &[u8]) -> Result<Vec<(TarEntry, Vec<u8>)>, TarError> {
        let mut reader = TarReader::new(archive);
        let mut entries = Vec::new();
        while let Some(entry) = reader.next_entry()? {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes)?;
            entries.push((entry, bytes));
        }
        Ok(entries)
    }

    fn file(name: &[u8], bytes: &[u8]) -> Vec<u8> {
        let mut archive = header(name, b'0', bytes.len() as u64, b"").to_vec();
        archive.extend_from_slice(bytes);
        archive.resize(archive.len().next_multiple_of(BLOCK), 0);
        archive
    }

    #[test]
    fn what_postgresql_writes_is_read_with_and_without_its_end() {
        let mut archive = file(b"backup_label", b"START");
        archive.extend(header(b"./pg_wal/archive_status/", b'5', 0, b""));
        archive.extend(header(b"pg_tblspc/", b'5', 0, b""));
        archive.extend(header(b"pg_tblspc/16385/", b'2', 0, b"/srv/fast"));
        archive.extend(file(b"base/5/1259", &[7; 1000]));
        for end in [0, 2 * BLOCK] {
            let mut archive = archive.clone();
            archive.resize(archive.len() + end, 0);
            let read = entries(&archive).unwrap();
            let paths: Vec<_> = read.iter().map(|(entry, _)| entry.path.as_path()).collect();
            let expected = [
                "backup_label",
                "pg_wal/archive_status",
                "pg_tblspc",
                "pg_tblspc/16385",
                "base/5/1259",
            ];
            assert_eq!(paths, expected.map(Path::new));
            assert_eq!(read[0].1, b"START");
            assert_eq!(read[3].0.kind, TarKind::Symlink("/srv/fast".into()));
            assert_eq!((read[4].1.len(), read[4].0.mode), (1000, 0o600));
        }
    }

    #[test]
    fn nothing_leads_out_of_the_archive() {
        for bad in [
            "../x",
            "./../x",
            "././a",
            "./",
            "./.",
            ".//etc",
            "/etc/passwd",
            "a/../b",
            "a//b",
            "a/./b",
            "",
            "/",
            "..",
            "a/",
        ] {
            let refused = entries(&file(bad.as_bytes(), b"x"));
            assert!(matches!(refused, Err(TarError::Invalid(_))), "{bad}");
        }
        // Hard links, devices, and headers that would rename what follows.
        for kind in [b'1', b'3', b'4', b'6', b'L', b'K', b'x', b'g', b'S'] {
            let archive = header(b"a", kind, 0, b"/etc/passwd");
            assert!(matches!(entries(&archive), Err(TarError::Invalid(_))));
        }
        // A prefix is part of the path.
        let mut block = header(b"passwd", b'0', 0, b"");
        block[345..349].copy_from_slice(b"../e");
        assert!(matches!(entries(&sealed(block)), Err(TarError::Invalid(_))));
    }

    #[test]
    fn numbers_of_both_kinds_are_read_and_none_overflows() {
        assert_eq!(number(b"00000001750 "), Some(1000));
        assert_eq!(number(b"  1750\0\0"), Some(1000));
        assert_eq!(number(b"\x80\0\0\0\0\0\0\x02\0\0\0\0"), Some(2 << 32));
        for bad in [
            &b"       "[..],
            b"0008\0",
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        ] {
            assert_eq!(number(bad), None);
        }
    }

    #[test]
    fn an_entry_longer_than_its_archive_is_an_error_and_takes_no_memory() {
        let archive = header(b"base/5/1259", b'0', 1 << 32, b"");
        assert!(entries(&archive).is_err());
        let mut reader = TarReader::new(&archive[..]);
        reader.next_entry().unwrap();
        assert!(matches!(
            reader.read_all(1 << 20),
            Err(TarError::Invalid(_))
        ));
        assert!(matches!(reader.next_entry(), Err(TarError::Truncated)));
        let short = TarReader::new(&archive[..100]).next_entry();
        assert!(matches!(short, Err(TarError::Truncated)));
    }

    proptest! {
        /// Whatever is sent: no panic, and no path that leaves its place.
        #[test]
        fn never_panics_and_never_escapes(
            name in proptest::collection::vec(any::<u8>(), 0..110),
            kind in any::<u8>(),
            size in 0u64..2000,
            link in proptest::collection::vec(any::<u8>(), 0..110),
            rest in proptest::collection::vec(any::<u8>(), 0..2000),
        ) {
            let mut archive = header(&name, kind, size, &link).to_vec();
            archive.extend(rest);
            let mut reader = TarReader::new(&archive[..]);
            while let Ok(Some(entry)) = reader.next_entry() {
                let plain = entry
                    .path
                    .components()
                    .all(|part| matches!(part, std::path::Component::Normal(_)));
                prop_assert!(plain && entry.path.components().next().is_some());
            }
        }

        #[test]
        fn every_file_comes_back(
            files in proptest::collection::vec(
                ("[a-z0-9_]{1,20}(/[a-z0-9_.]{1,20}){0,3}", proptest::collection::vec(any::<u8>(), 0..1500)),
                0..5,
            ),
        ) {
            let files: Vec<_> = files
                .into_iter()
                .filter(|(name, _)| !name.split('/').any(|part| part == "." || part == ".."))
                .collect();
            let archive: Vec<u8> = files
                .iter()
                .flat_map(|(name, bytes)| file(name.as_bytes(), bytes))
                .collect();
            let read = entries(&archive).unwrap();
            let read: Vec<_> = read
                .into_iter()
                .map(|(entry, bytes)| (entry.path.to_str().unwrap().to_owned(), bytes))
                .collect();
            prop_assert_eq!(read, files);
        }
    }
}
