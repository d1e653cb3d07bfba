//! How far a program of PostgreSQL is that does not say so: what Linux tells of
//! its process. Where that is not to be had, nothing is known and nothing is
//! concluded.

use std::fs;

use holdfast_types::{SegmentSize, WalSegment};

/// The bytes that a process has read so far, cached ones included.
pub(super) fn bytes_read(process: u32) -> Option<u64> {
    rchar(&fs::read_to_string(format!("/proc/{process}/io")).ok()?)
}

fn rchar(io: &str) -> Option<u64> {
    let mut lines = io.lines();
    let line = lines.find_map(|line| line.strip_prefix("rchar:"))?;
    line.trim().parse().ok()
}

/// The segment that a server in recovery replays, or waits for: the title of
/// its startup process, of which it is the parent, names it. The server itself
/// takes no connections before it is consistent.
pub(super) fn recovering(server: u32, size: SegmentSize) -> Option<WalSegment> {
    let children = fs::read_to_string(format!("/proc/{server}/task/{server}/children")).ok()?;
    children.split_whitespace().find_map(|child| {
        let title = fs::read(format!("/proc/{child}/cmdline")).ok()?;
        segment_of(&String::from_utf8_lossy(&title), size)
    })
}

fn segment_of(title: &str, size: SegmentSize) -> Option<WalSegment> {
    let (_, startup) = title.split_once("startup")?;
    let mut words = startup.split(|character: char| !character.is_ascii_alphanumeric());
    words.find_map(|word| WalSegment::parse(word, size).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_names_the_segment() {
        let size = SegmentSize::new(16 << 20).unwrap();
        let of = |title: &str| segment_of(title, size).map(|segment| segment.to_string());
        let name = "00000002000000010000000A";
        for what in ["recovering", "waiting for"] {
            let title = format!("postgres: copy: startup {what} {name}\0\0");
            assert_eq!(of(&title).as_deref(), Some(name));
        }
        assert_eq!(of("postgres: startup"), None);
        assert_eq!(of(&format!("postgres: archiver last was {name}")), None);
    }

    #[test]
    fn what_a_process_has_read_is_known() {
        assert_eq!(rchar("rchar: 17\nwchar: 3\n"), Some(17));
        assert_eq!(rchar(""), None);
        let before = bytes_read(std::process::id()).unwrap();
        let own = std::env::current_exe().unwrap();
        let size = fs::read(own).unwrap().len() as u64;
        assert!(bytes_read(std::process::id()).unwrap() >= before + size);
        assert_eq!(bytes_read(0), None);
    }
}
