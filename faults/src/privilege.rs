//! What faults need of the machine, and what to do where it is missing.

use std::path::Path;
use std::process::{Command, Stdio};

/// Set where a skipped run is a failed one: in CI, as root.
pub const REQUIRED: &str = "HOLDFAST_FAULTS_REQUIRED";
/// What the machine lacks for faults; nothing when they can run.
pub fn lacking() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("they need root, for namespaces and mounts".to_owned());
    }
    if !Path::new("/dev/fuse").exists() {
        return Some("there is no /dev/fuse: the kernel has no FUSE".to_owned());
    }
    if !Path::new("/dev/net/tun").exists() {
        return Some("there is no /dev/net/tun: the kernel has no TUN".to_owned());
    }
    for (program, argument) in [("ip", "-V"), ("nft", "--version"), ("cc", "--version")] {
        let mut command = Command::new(program);
        let quiet = command.arg(argument).stdout(Stdio::null());
        if !quiet.status().is_ok_and(|status| status.success()) {
            return Some(format!("{program} is missing: run deploy/dev/install test"));
        }
    }
    let mut probe = Command::new("unshare");
    let denied = probe.args(["--net", "nft", "list", "ruleset"]).output();
    match denied {
        Ok(ran) if ran.status.success() => None,
        Ok(ran) => Some(format!(
            "network namespaces with nftables are not to be had: {}",
            String::from_utf8_lossy(&ran.stderr).trim()
        )),
        Err(error) => Some(format!("unshare: {error}")),
    }
}

/// Whether a test of faults can run. Otherwise it says why not.
///
/// # Panics
/// When it cannot and [`REQUIRED`] says that it must.
pub fn ready() -> bool {
    let Some(reason) = lacking() else {
        return true;
    };
    let required = std::env::var_os(REQUIRED).is_some_and(|value| value == "1");
    assert!(!required, "faults cannot be tried here: {reason}");
    eprintln!("SKIPPED: faults were not tried: {reason}");
    false
}
