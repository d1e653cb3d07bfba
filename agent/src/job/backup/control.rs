//! `global/pg_control`: read until its CRC is right, copied after everything
//! else.
//!
//! A server writes the file in one piece, but nothing promises that a reader
//! sees it so. A copy with a wrong CRC does not start.

use std::io;
use std::path::Path;
use std::time::Duration;

use holdfast_pg::control_file::{ControlFile, InvalidControlFile};
use holdfast_types::Failure;

use super::prepare::unreadable;

/// The file is written in microseconds and read in less: more failures in a
/// row are damage.
const ATTEMPTS: u32 = 20;

/// Reads the control file and its bytes.
pub(super) fn read(path: &Path) -> Result<(ControlFile, Vec<u8>), Failure> {
    read_by(path, || std::fs::read(path))
}

fn read_by(
    path: &Path,
    mut read: impl FnMut() -> io::Result<Vec<u8>>,
) -> Result<(ControlFile, Vec<u8>), Failure> {
    let mut attempt = 0;
    loop {
        let bytes = read().map_err(|error| unreadable(path, &error))?;
        attempt += 1;
        match ControlFile::parse(&bytes) {
            Ok(control) => return Ok((control, bytes)),
            Err(InvalidControlFile::BadCrc { .. } | InvalidControlFile::TooShort(_))
                if attempt < ATTEMPTS =>
            {
                std::thread::sleep(Duration::from_millis(u64::from(attempt)));
            }
            Err(invalid) => {
                return Err(Failure::permanent(
                    "control_file_invalid",
                    format!("{}: {invalid}", path.display()),
                    "if the server runs well, report this; if it does not, its disk is damaged",
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Pitfalls 4 and 9: what is damaged, or not there, is neither waited for nor copied.
    #[test]
    fn damage_is_told_from_absence() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pg_control");
        assert_eq!(read(&path).unwrap_err().code, "data_directory_unreadable");
        std::fs::write(&path, vec![7; 8192]).unwrap();
        assert_eq!(read(&path).unwrap_err().code, "control_file_invalid");
    }

    /// The least that is taken for a control file.
    fn whole() -> Vec<u8> {
        let mut bytes = vec![0; 8192];
        for (at, number) in [(8, 1300u32), (16, 6), (48, 1), (52, 1), (228, 16 << 20)] {
            bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
        }
        let crc = crc32c::crc32c(&bytes[..288]);
        bytes[288..292].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    // Pitfall 4: what is torn while the server writes it is whole a moment later.
    #[test]
    fn a_torn_file_is_read_again() {
        let whole = whole();
        let mut torn = whole.clone();
        torn[40] = 7;
        let mut readings = vec![whole.clone(), whole[..100].to_vec(), torn.clone(), torn];
        let read = read_by(Path::new("pg_control"), || Ok(readings.pop().unwrap()));
        assert_eq!(read.unwrap().1, whole);
        assert!(readings.is_empty());
    }
}
