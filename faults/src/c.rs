//! The little that has to be written in C: what is loaded into another program,
//! and what asks the kernel in ways that safe Rust does not know.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

/// Compiles `source` to `result`, with further options of `cc`.
pub(crate) fn compile(source: &str, result: &Path, options: &[&str]) -> io::Result<()> {
    let file = result.with_extension("c");
    fs::write(&file, source)?;
    let mut cc = Command::new("cc");
    cc.args(["-O1", "-Wall", "-Werror", "-o"]);
    let ran = cc.arg(result).arg(&file).args(options).output()?;
    if ran.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&ran.stderr);
    Err(io::Error::other(format!("cc {}: {said}", file.display())))
}
