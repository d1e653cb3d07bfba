//! Hostile bytes: the reader never panics, never loops, and never finds a
//! record that is not there.

use holdfast_types::{Lsn, SegmentSize};
use proptest::prelude::*;

use super::page_header::{LONG_HEADER, PAGE_SIZE, SHORT_HEADER};
use super::record::RecordHeader;
use super::{Reason, Record, WalReader};

const START: u64 = 3 << 20;

fn size() -> SegmentSize {
    SegmentSize::new(1 << 20).unwrap()
}

/// Valid pages from the start of a segment that hold records of these sizes.
fn pages(lengths: &[usize]) -> Vec<u8> {
    let mut log = Vec::new();
    let mut previous = 0u64;
    for &length in lengths {
        while !log.len().is_multiple_of(8) {
            log.push(0);
        }
        begin_page(&mut log, 0);
        let start = START + log.len() as u64;
        let mut record = vec![0xA5; length.max(26)];
        let total = u32::try_from(record.len()).unwrap();
        record[..4].copy_from_slice(&total.to_le_bytes());
        record[8..16].copy_from_slice(&previous.to_le_bytes());
        record[16] = 0;
        record[17] = 21; // a logical message: nothing is decoded
        let crc = RecordHeader::crc_of(&record);
        record[20..24].copy_from_slice(&crc.to_le_bytes());
        for (index, byte) in record.iter().enumerate() {
            begin_page(&mut log, record.len() - index);
            log.push(*byte);
        }
        previous = start;
    }
    log
}

/// Writes a page header if the log stands at a page boundary.
fn begin_page(log: &mut Vec<u8>, remaining: usize) {
    let address = START + log.len() as u64;
    if !address.is_multiple_of(PAGE_SIZE) {
        return;
    }
    let long = address.is_multiple_of(size().bytes());
    let info = u16::from(remaining > 0) | if long { 2 } else { 0 };
    log.extend_from_slice(&0xD110u16.to_le_bytes());
    log.extend_from_slice(&info.to_le_bytes());
    log.extend_from_slice(&1u32.to_le_bytes());
    log.extend_from_slice(&address.to_le_bytes());
    log.extend_from_slice(&u32::try_from(remaining).unwrap().to_le_bytes());
    log.extend_from_slice(&[0; 4]);
    if long {
        log.extend_from_slice(&77u64.to_le_bytes());
        log.extend_from_slice(&u32::try_from(size().bytes()).unwrap().to_le_bytes());
        log.extend_from_slice(&u32::try_from(PAGE_SIZE).unwrap().to_le_bytes());
    }
}

/// Everything the reader finds, fed in pieces.
fn read(start: Lsn, bytes: &[u8], piece: usize) -> (Vec<Record>, Option<Reason>) {
    let mut reader = WalReader::new(start, size());
    let mut found = Vec::new();
    for part in bytes.chunks(piece) {
        reader.feed(part);
        loop {
            match reader.next_record() {
                Ok(Some(record)) => found.push(record),
                Ok(None) => break,
                Err(invalid) => return (found, Some(invalid.reason)),
            }
        }
    }
    (found, None)
}

#[test]
fn the_headers_have_their_sizes() {
    let log = pages(&[20_000]);
    let (found, fault) = read(Lsn::new(START), &log, 7);
    assert_eq!(fault, None);
    assert_eq!(found[0].start, Lsn::new(START + LONG_HEADER));
    let expected = START + LONG_HEADER + 20_000 + 2 * SHORT_HEADER;
    assert_eq!(found[0].end, Lsn::new(expected));
}

proptest! {
    #[test]
    fn random_bytes_are_no_wal(
        bytes in proptest::collection::vec(any::<u8>(), 0..3000),
        start in 0u64..1 << 40,
        piece in 1usize..500,
    ) {
        let (found, _) = read(Lsn::new(start * 8), &bytes, piece);
        prop_assert!(found.is_empty());
    }

    #[test]
    fn every_record_is_found_in_pieces_of_any_size(
        lengths in proptest::collection::vec(26usize..20_000, 1..12),
        piece in 1usize..30_000,
    ) {
        let log = pages(&lengths);
        let (found, fault) = read(Lsn::new(START), &log, piece);
        prop_assert_eq!(fault, None);
        let found: Vec<usize> = found.iter().map(|r| r.total_length as usize).collect();
        prop_assert_eq!(found, lengths);
    }

    /// One damaged byte hides the record it is in and all after it, and no
    /// record before it. A byte of a page's header has no checksum over it: it
    /// hides what it makes impossible, and changes no record that is found.
    #[test]
    fn damage_ends_the_log_before_the_damaged_record(
        lengths in proptest::collection::vec(26usize..20_000, 1..8),
        at in any::<prop::sample::Index>(),
        flip in 1u8..,
        piece in 1usize..30_000,
    ) {
        let log = pages(&lengths);
        let (whole, _) = read(Lsn::new(START), &log, log.len());
        let mut bad = log.clone();
        let at = at.index(bad.len());
        bad[at] ^= flip;
        let damaged = Lsn::new(START + at as u64);
        let (found, _) = read(Lsn::new(START), &bad, piece);
        let (in_page, in_segment) = (damaged.get() % PAGE_SIZE, damaged.get() % size().bytes());
        let of_header = in_page < SHORT_HEADER || in_segment < LONG_HEADER;
        // The timeline that a page is of, bytes 4 to 7, is what it says.
        let of_timeline = (4..8).contains(&in_page);
        let as_found = |record: &Record| Record {
            page_timeline: record.page_timeline.filter(|_| !of_timeline),
            ..record.clone()
        };
        let found_there: Vec<Record> = found.iter().map(as_found).collect();
        let expected: Vec<Record> = whole[..found.len()].iter().map(as_found).collect();
        prop_assert_eq!(found_there, expected);
        for record in &whole[..found.len()] {
            let inside = record.start <= damaged
                && damaged.get() < record.start.get() + u64::from(record.total_length);
            prop_assert!(of_header || !inside, "{} was damaged at {}", record.start, damaged);
        }
        let before = whole.iter().filter(|record| record.end <= damaged).count();
        prop_assert!(found.len() >= before);
    }
}
