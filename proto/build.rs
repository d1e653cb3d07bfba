//! Generates the gRPC code without a system protoc.

use std::path::PathBuf;

/// What nodes and agents say to each other.
const SESSIONS: [&str; 2] = ["holdfast/v1/agent.proto", "holdfast/v1/node.proto"];
/// What automation says to nodes: its types are many, and agents have no use
/// for them.
const CONTROL: &str = "holdfast/v1/control.proto";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(SESSIONS)?;
    if std::env::var_os("CARGO_FEATURE_CONTROL").is_some() {
        compiler.open_file(CONTROL)?;
        let out = PathBuf::from(std::env::var("OUT_DIR")?);
        // Encoded by the compiler: prost's own types would lose the options.
        let encoded = compiler.encode_file_descriptor_set();
        std::fs::write(out.join("descriptors.bin"), encoded)?;
    }
    tonic_prost_build::configure().compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
