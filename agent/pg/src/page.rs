//! Checksums of data pages, as PostgreSQL's `checksum_impl.h` computes them.
//!
//! Thirty-two FNV-1a hashes run side by side over the page, so that the
//! compiler can use vector instructions, and are folded at the end. The number
//! of the block goes in, so a page that was written to the wrong place fails.
//! Block numbers count through the whole relation, not from the start of each
//! 1 GiB file.

/// The page size of every ordinary build.
pub const DEFAULT_PAGE_SIZE: usize = 8192;

const LANES: usize = 32;
const FNV_PRIME: u32 = 16_777_619;
/// `pd_checksum` in the page header: after the LSN.
const CHECKSUM_AT: usize = 8;
/// `pd_upper` is zero in a page that was allocated and never written.
const UPPER_AT: usize = 14;
/// The page header up to its line pointers.
const HEADER_SIZE: usize = 24;

/// A different start for every lane, so that exchanged columns are noticed.
const BASIS: [u32; LANES] = [
    0x5B1F_36E9,
    0xB852_5960,
    0x02AB_50AA,
    0x1DE6_6D2A,
    0x79FF_467A,
    0x9BB9_F8A3,
    0x217E_7CD2,
    0x83E1_3D2C,
    0xF8D4_474F,
    0xE39E_B970,
    0x42C6_AE16,
    0x9932_16FA,
    0x7B09_3B5D,
    0x98DA_FF3C,
    0xF718_902A,
    0x0B1C_9CDB,
    0xE58F_764B,
    0x1876_36BC,
    0x5D7B_3BB1,
    0xE73D_E7DE,
    0x92BE_C979,
    0xCCA6_C0B2,
    0x304A_0979,
    0x85AA_43D4,
    0x7831_25BB,
    0x6CA8_EAA2,
    0xE407_EAC6,
    0x4B5C_FC3E,
    0x9FBF_8C76,
    0x15CA_20BE,
    0xF2CA_9FD3,
    0x959B_D756,
];

/// What a page turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageState {
    /// Its checksum is right.
    Ok,
    /// All zeroes: allocated and never written, which is valid.
    New,
    /// Its checksum is wrong: torn by a concurrent write, or damaged.
    Bad {
        /// In the page.
        found: u16,
        /// What belongs there.
        expected: u16,
    },
}

/// Checks one page that is block `block` of its relation.
///
/// # Panics
/// If the length of `page` is not a multiple of 128 bytes of at least a page
/// header; PostgreSQL's pages are powers of two from 1 KiB to 32 KiB.
pub fn verify(page: &[u8], block: u32) -> PageState {
    let word = |at: usize| u16::from_le_bytes([page[at], page[at + 1]]);
    // PostgreSQL calls a page new when pd_upper is zero. Its verification then
    // wants the rest to be zero too: else a damaged header would hide damage.
    if word(UPPER_AT) == 0 && page.iter().all(|&byte| byte == 0) {
        return PageState::New;
    }
    let (found, expected) = (word(CHECKSUM_AT), checksum(page, block));
    if found == expected {
        PageState::Ok
    } else {
        PageState::Bad { found, expected }
    }
}

/// The LSN of the last change to a page; it decides nothing on its own.
pub fn page_lsn(page: &[u8]) -> Option<holdfast_types::Lsn> {
    let half = |at: usize| {
        page.get(at..)?
            .first_chunk::<4>()
            .copied()
            .map(u32::from_le_bytes)
    };
    Some(holdfast_types::Lsn::new(
        u64::from(half(0)?) << 32 | u64::from(half(4)?),
    ))
}

/// The checksum that belongs into a page. What stands in its checksum field
/// counts as zero. Panics as [`verify`] does.
pub fn checksum(page: &[u8], block: u32) -> u16 {
    assert!(
        page.len() >= HEADER_SIZE && page.len().is_multiple_of(LANES * 4),
        "a page of {} bytes",
        page.len()
    );
    let (rows, _) = page.as_chunks::<{ LANES * 4 }>();
    let mut lanes = BASIS;
    let mut first = rows[0];
    first[CHECKSUM_AT..CHECKSUM_AT + 2].fill(0);
    mix_row(&mut lanes, &first);
    for row in &rows[1..] {
        mix_row(&mut lanes, row);
    }
    // Two more rounds of zeroes spread the last bits.
    for _ in 0..2 {
        for lane in &mut lanes {
            *lane = mix(*lane, 0);
        }
    }
    let folded = lanes.iter().fold(block, |sum, lane| sum ^ lane);
    // Never zero: zero in a page means that it has no checksum.
    let reduced = folded % 65_535 + 1;
    u16::try_from(reduced).expect("a remainder by 65535 plus one fits 16 bits")
}

#[inline(always)]
const fn mix(hash: u32, value: u32) -> u32 {
    let mixed = hash ^ value;
    mixed.wrapping_mul(FNV_PRIME) ^ (mixed >> 17)
}

#[inline(always)]
fn mix_row(lanes: &mut [u32; LANES], row: &[u8; LANES * 4]) {
    let (words, _) = row.as_chunks::<4>();
    for (lane, word) in lanes.iter_mut().zip(words) {
        *lane = mix(*lane, u32::from_le_bytes(*word));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Pitfall 10
    #[test]
    fn new_pages_are_valid_and_damaged_new_pages_are_not() {
        let mut page = vec![0; DEFAULT_PAGE_SIZE];
        assert_eq!(verify(&page, 7), PageState::New);
        page[5000] = 1;
        assert!(matches!(verify(&page, 7), PageState::Bad { found: 0, .. }));
    }

    // Pitfall 10
    #[test]
    fn the_block_number_and_every_bit_count() {
        let mut page: Vec<u8> = (0..DEFAULT_PAGE_SIZE)
            .map(|i| (i % 251).to_le_bytes()[0])
            .collect();
        let sum = checksum(&page, 3);
        page[CHECKSUM_AT..CHECKSUM_AT + 2].copy_from_slice(&sum.to_le_bytes());
        assert_eq!(verify(&page, 3), PageState::Ok);
        assert!(matches!(verify(&page, 4), PageState::Bad { .. }));
        for at in [0, 15, 127, 128, 4096, DEFAULT_PAGE_SIZE - 1] {
            page[at] ^= 0x10;
            assert!(
                matches!(verify(&page, 3), PageState::Bad { .. }),
                "byte {at}"
            );
            page[at] ^= 0x10;
        }
    }
}
