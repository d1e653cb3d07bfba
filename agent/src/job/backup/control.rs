//! `global/pg_control`: read until its CRC is right, copied after everything
//! else.
//!
//! A server writes the file in one piece, but nothing promises that a reader
//! sees it so. A copy with a wrong CRC does not start.

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
    let mut attempt = 0;
    loop {
        let bytes = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
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

    #[test]
    fn damage_is_told_from_absence() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pg_control");
        assert_eq!(read(&path).unwrap_err().code, "data_directory_unreadable");
        std::fs::write(&path, vec![7; 8192]).unwrap();
        assert_eq!(read(&path).unwrap_err().code, "control_file_invalid");
    }
}
