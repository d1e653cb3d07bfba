//! Reading part of a file, with its pages checked on the way.
//!
//! A page that fails its checksum is either being written right now, which
//! WAL repairs, or damaged on disk, which nobody has noticed yet. Reading it
//! again tells: a page that changes, becomes right, or was last changed since
//! the backup began is in use. Only such pages are read twice.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use holdfast_pg::page::{self, PageState};
use holdfast_types::Lsn;

/// A page is written in microseconds; these readings span 31 ms.
const REREADS: u32 = 5;

/// What is needed to judge the pages of one file.
#[derive(Clone, Copy)]
pub(super) struct PageCheck<'a> {
    pub(super) page_bytes: usize,
    /// The number of the file's first page within its relation.
    pub(super) first_block: u32,
    /// WAL replay begins here and repairs whatever changed since.
    pub(super) start_lsn: Lsn,
    /// Where WAL ends now, when PostgreSQL can be asked.
    pub(super) insert_position: &'a dyn Fn() -> Option<Lsn>,
}

/// Reads a range of a file.
pub(super) struct RangeReader<'a> {
    file: &'a File,
    position: u64,
    end: u64,
    /// Give zeros for what is missing at the end: the file was shortened, and
    /// a later range of it follows.
    pad: bool,
    check: Option<PageCheck<'a>>,
    /// Pages that are damaged, counted from the start of the file.
    pub(super) bad_blocks: Vec<u32>,
}

impl<'a> RangeReader<'a> {
    pub(super) fn new(
        file: &'a File,
        range: std::ops::Range<u64>,
        pad: bool,
        check: Option<PageCheck<'a>>,
    ) -> Self {
        let bad_blocks = Vec::new();
        Self {
            file,
            position: range.start,
            end: range.end,
            pad,
            check,
            bad_blocks,
        }
    }

    /// Fills `buffer` as far as the range goes; 0 at its end.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.position).unwrap_or(usize::MAX);
        let wanted = left.min(buffer.len());
        let mut got = read_fully(self.file, &mut buffer[..wanted], self.position)?;
        if got < wanted {
            if self.pad {
                buffer[got..wanted].fill(0);
                got = wanted;
            } else {
                self.end = self.position + got as u64;
            }
        }
        if let Some(check) = self.check {
            self.check_pages(check, &mut buffer[..got])?;
        }
        self.position += got as u64;
        Ok(got)
    }

    /// What follows the last whole page is a page in the making.
    fn check_pages(&mut self, check: PageCheck<'_>, pages: &mut [u8]) -> io::Result<()> {
        for (index, bytes) in pages.chunks_exact_mut(check.page_bytes).enumerate() {
            let offset = self.position + (index * check.page_bytes) as u64;
            let Ok(in_file) = u32::try_from(offset / check.page_bytes as u64) else {
                continue;
            };
            let Some(block) = check.first_block.checked_add(in_file) else {
                continue;
            };
            if matches!(page::verify(bytes, block), PageState::Bad { .. })
                && self.is_damaged(check, bytes, block, offset)?
            {
                self.bad_blocks.push(in_file);
            }
        }
        Ok(())
    }

    fn is_damaged(
        &self,
        check: PageCheck<'_>,
        bytes: &mut [u8],
        block: u32,
        offset: u64,
    ) -> io::Result<bool> {
        let mut again = vec![0; bytes.len()];
        for attempt in 0..REREADS {
            std::thread::sleep(Duration::from_millis(1 << attempt));
            if read_fully(self.file, &mut again, offset)? < again.len() {
                // Cut off meanwhile: WAL says so.
                return Ok(false);
            }
            let right = !matches!(page::verify(&again, block), PageState::Bad { .. });
            if right || again != bytes {
                bytes.copy_from_slice(&again);
                return Ok(false);
            }
        }
        // A damaged header shows any LSN, so one from the future is no excuse.
        let changed_at = page::page_lsn(bytes).filter(|lsn| *lsn >= check.start_lsn);
        let Some(changed_at) = changed_at else {
            return Ok(true);
        };
        Ok((check.insert_position)().is_some_and(|end| changed_at > end))
    }
}

fn read_fully(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(length) => done += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const PAGE: usize = page::DEFAULT_PAGE_SIZE;

    /// A right page that says it was last changed at `lsn`.
    fn page(block: u32, lsn: u64) -> Vec<u8> {
        let mut page = vec![block.to_le_bytes()[0]; PAGE];
        page[..4].copy_from_slice(&u32::try_from(lsn >> 32).unwrap().to_le_bytes());
        page[4..8].copy_from_slice(&u32::try_from(lsn & 0xFFFF_FFFF).unwrap().to_le_bytes());
        page[14..16].copy_from_slice(&4000u16.to_le_bytes());
        let sum = page::checksum(&page, block);
        page[8..10].copy_from_slice(&sum.to_le_bytes());
        page
    }

    fn read(content: &[u8], range: std::ops::Range<u64>, pad: bool) -> (Vec<u8>, Vec<u32>) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("1259");
        fs::write(&path, content).unwrap();
        let file = File::open(&path).unwrap();
        let check = PageCheck {
            page_bytes: PAGE,
            first_block: 100,
            start_lsn: Lsn::new(1000),
            insert_position: &|| Some(Lsn::new(2000)),
        };
        let mut reader = RangeReader::new(&file, range, pad, Some(check));
        let (mut all, mut buffer) = (Vec::new(), vec![0; 4 * PAGE]);
        loop {
            match reader.read(&mut buffer).unwrap() {
                0 => return (all, reader.bad_blocks),
                length => all.extend_from_slice(&buffer[..length]),
            }
        }
    }

    // Pitfall 10: pages that are new, that WAL repairs, or that are in the making are no
    // damage, and blocks are counted through the relation.
    #[test]
    fn only_damage_that_wal_does_not_repair_is_reported() {
        let mut content: Vec<u8> = (100..106).flat_map(|block| page(block, 500)).collect();
        content[PAGE..2 * PAGE].copy_from_slice(&[0; PAGE]); // new
        content[2 * PAGE + 5000] ^= 1; // old and damaged
        content[3 * PAGE..4 * PAGE].copy_from_slice(&page(103, 1500));
        content[3 * PAGE + 5000] ^= 1; // changed since the start: WAL has it
        content[4 * PAGE..5 * PAGE].copy_from_slice(&page(104, 9000));
        content[4 * PAGE + 5000] ^= 1; // claims to be from the future
        content.extend_from_slice(&[9; 100]); // a page in the making
        let (all, bad) = read(&content, 0..u64::MAX, false);
        assert_eq!(bad, [2, 4]);
        assert_eq!(all, content);
    }

    // Pitfall 9: what grows is read as far as it was seen, what shrinks to its end.
    #[test]
    fn a_file_is_read_as_far_as_it_was_seen_and_no_further() {
        let content: Vec<u8> = (100..104).flat_map(|block| page(block, 500)).collect();
        let page = PAGE as u64;
        assert_eq!(
            read(&content, page..3 * page, false),
            (content[PAGE..3 * PAGE].to_vec(), vec![])
        );
        // It became shorter than it was seen.
        assert_eq!(read(&content, 3 * page..9 * page, false).0.len(), PAGE);
        let (padded, bad) = read(&content, 3 * page..9 * page, true);
        assert_eq!((padded.len(), bad), (6 * PAGE, vec![]));
        assert!(padded[PAGE..].iter().all(|&byte| byte == 0));
    }

    // Pitfall 10: a page that is being written is torn in one reading and not, or torn
    // otherwise, in the next.
    #[test]
    fn a_page_that_is_being_written_is_read_again() {
        let file = tempfile::tempfile().unwrap();
        let whole = page(100, 500);
        file.write_all_at(&whole, 0).unwrap();
        let check = PageCheck {
            page_bytes: PAGE,
            first_block: 100,
            start_lsn: Lsn::new(1000),
            insert_position: &|| panic!("its position decides nothing"),
        };
        let reader = RangeReader::new(&file, 0..PAGE as u64, false, Some(check));
        let mut read = whole.clone();
        read[5000] ^= 1;
        assert!(!reader.is_damaged(check, &mut read, 100, 0).unwrap());
        assert_eq!(read, whole);
        let mut torn = whole.clone();
        torn[6000] ^= 1;
        file.write_all_at(&torn, 0).unwrap();
        read[5000] ^= 1;
        assert!(!reader.is_damaged(check, &mut read, 100, 0).unwrap());
        assert_eq!(read, torn);
        // It stays as it is: damage, and as old as the page says.
        assert!(reader.is_damaged(check, &mut read, 100, 0).unwrap());
        file.set_len(100).unwrap();
        assert!(!reader.is_damaged(check, &mut read, 100, 0).unwrap());
    }
}
