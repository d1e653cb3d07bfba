//! When an insert position says no more than "the page before is full".

use holdfast_types::{Lsn, SegmentSize};

use super::page_header::{LONG_HEADER, PAGE_SIZE, SHORT_HEADER};

/// The position that a sampled `pg_current_wal_insert_lsn()` really claims.
///
/// PostgreSQL reports an insert position at the start of a page as the byte
/// after that page's header, where the next record will go. Nothing but the
/// header is there, and the header is not written before that record is. So
/// such a position counts as the page's boundary: an idle server after a
/// segment switch is complete with the segment before (DESIGN 5.2).
pub const fn claimed_position(sampled: Lsn, segment: SegmentSize) -> Lsn {
    let in_segment = sampled.get() % segment.bytes();
    let in_page = sampled.get() % PAGE_SIZE;
    let only_header = if in_segment < PAGE_SIZE {
        in_segment == LONG_HEADER
    } else {
        in_page == SHORT_HEADER
    };
    if only_header {
        Lsn::new(sampled.get() - in_page)
    } else {
        sampled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bare_header_counts_as_the_boundary() {
        let claimed = |lsn: &str| claimed_position(lsn.parse().unwrap(), SegmentSize::DEFAULT);
        for (sampled, position) in [
            ("0/3000028", "0/3000000"), // the long header of a segment
            ("0/3000018", "0/3000018"), // inside it
            ("0/3002018", "0/3002000"), // the short header of a page
            ("0/3002028", "0/3002028"), // a record behind it
            ("0/3000060", "0/3000060"),
            ("0/3000000", "0/3000000"),
        ] {
            assert_eq!(claimed(sampled).to_string(), position, "{sampled}");
        }
    }
}
