//! `holdfastd`: wiring only.

use std::process::ExitCode;

fn main() -> ExitCode {
    holdfastd::command::main()
}
