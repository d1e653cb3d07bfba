//! Embeds the pages of `docs/errors/`, so that a node explains its own codes.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pages = Path::new(&std::env::var("CARGO_MANIFEST_DIR")?).join("../docs/errors");
    println!("cargo:rerun-if-changed={}", pages.display());
    // What `npm run build` makes is embedded (src/api/console.rs); a folder that is
    // not there would have this run each time.
    let console = Path::new(&std::env::var("CARGO_MANIFEST_DIR")?).join("../web/dist");
    if console.is_dir() {
        println!("cargo:rerun-if-changed={}", console.display());
    } else {
        println!("cargo:rerun-if-changed=../web");
    }
    let mut files: Vec<PathBuf> = std::fs::read_dir(&pages)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "md"));
    // Pages are looked up by bisection; file systems list them in any order.
    files.sort();
    let mut table = String::from("&[\n");
    for file in files {
        let code = file.file_stem().and_then(|stem| stem.to_str());
        let code = code.ok_or_else(|| format!("{} is not named by a code", file.display()))?;
        let path = file.to_str().ok_or("the source's path is not text")?;
        writeln!(table, "    ({code:?}, include_str!({path:?})),")?;
    }
    table.push_str("]\n");
    let out = Path::new(&std::env::var("OUT_DIR")?).join("error_pages.rs");
    std::fs::write(out, table)?;
    Ok(())
}
