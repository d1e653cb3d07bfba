//! Ports for servers that take no port 0.
//!
//! A port which the system gives away for port 0 lies among those it gives to
//! every outgoing connection, and two tests easily meet on it. Ports from here
//! lie below that range, and each is handed out once as long as its process
//! lives: other processes see its lock.

use std::fs::{File, OpenOptions};
use std::net::TcpListener;
use std::sync::Mutex;

/// Below the ephemeral ports of Linux (32768 to 60999 unless changed) and
/// above the ports that well-known servers have.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// Locks that say which ports are ours; held until the process ends.
static OURS: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// A port on the loopback that no other test gets while this process lives.
///
/// # Panics
/// When all are taken, or their locks cannot be made.
#[must_use]
pub fn free_port() -> u16 {
    let folder = std::env::temp_dir().join("holdfast-test-ports");
    std::fs::create_dir_all(&folder).expect("a folder for locks");
    let mut ours = OURS.lock().expect("nobody panics with it");
    // Processes begin at different places, so they rarely meet.
    let count = PORTS.end - PORTS.start;
    let begin = u16::try_from(std::process::id() % u32::from(count)).expect("it is less");
    for step in 0..count {
        let port = PORTS.start + (begin + step) % count;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(folder.join(port.to_string()))
            .expect("a lock");
        if lock.try_lock().is_err() || TcpListener::bind(("127.0.0.1", port)).is_err() {
            continue;
        }
        ours.push(lock);
        return port;
    }
    panic!("no port from {} to {} is free", PORTS.start, PORTS.end);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_port_is_handed_out_twice() {
        let (first, second) = (free_port(), free_port());
        assert_ne!(first, second);
        assert!(PORTS.contains(&first) && PORTS.contains(&second));
    }
}
