//! A clock that jumps: a small library, loaded before a program's own, shifts
//! what that process sees of the time of day. The monotonic clock, by which
//! programs wait, goes on as it was.
//!
//! It is our own: it must never hold up the program that it is loaded into, and
//! libfaketime, which takes a lock and reads a file while it is asked for the
//! time, was seen next to a node that stood still.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::c::compile;

const SOURCE: &str = include_str!("shift.c");

/// The clock of one process, set through a file.
#[derive(Debug, Clone)]
pub struct Clock {
    file: PathBuf,
    library: PathBuf,
}

impl Clock {
    /// A clock that is right, for now; its files lie in `folder`.
    pub fn new(folder: &Path, name: &str) -> io::Result<Self> {
        let clock = Self {
            file: folder.join(format!("{name}.clock")),
            library: folder.join("clock.so"),
        };
        fs::write(&clock.file, 0_i64.to_ne_bytes())?;
        if !clock.library.exists() {
            compile(SOURCE, &clock.library, &["-shared", "-fPIC", "-ldl"])?;
        }
        Ok(clock)
    }

    /// It is wrong by so many seconds from now on.
    pub fn shift(&self, seconds: i64) -> io::Result<()> {
        // In place: whoever uses the clock has mapped this file.
        let file = File::options().write(true).open(&self.file)?;
        file.write_all_at(&seconds.to_ne_bytes(), 0)
    }

    /// What a process needs in its environment to have this clock.
    pub fn environment(&self) -> [(&'static str, &Path); 2] {
        [
            ("LD_PRELOAD", &self.library),
            ("HOLDFAST_FAULTS_CLOCK", &self.file),
        ]
    }
}
