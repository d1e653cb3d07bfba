//! A way to a listener that can be shut for one process alone.
//!
//! A node that is told to advertise another loopback address is dialled there,
//! by whoever learns it from the node too. This forwards that address's port to
//! the same port of 127.0.0.1, and knows by the kernel's table of sockets whose
//! a connection is.

use std::collections::BTreeMap;
use std::io::copy;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// The address to advertise.
pub const ADVERTISED: &str = "127.0.0.2";

/// A forwarded port.
#[derive(Debug)]
pub struct Proxy(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Whose connections are refused.
    shut: Option<u32>,
    /// Those that are open, by the client's port.
    open: BTreeMap<u16, TcpStream>,
}

impl Proxy {
    /// Forwards this port.
    ///
    /// # Panics
    /// When the port is taken.
    pub fn of(port: u16) -> Self {
        let listener = TcpListener::bind((ADVERTISED, port)).expect("the port is free there");
        let state = Arc::new(Mutex::new(State::default()));
        let proxy = Self(Arc::clone(&state));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let state = Arc::clone(&state);
                thread::spawn(move || forward(&client, port, &state));
            }
        });
        proxy
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }

    /// Ends the connections of a process, and refuses its next ones.
    pub fn shut_for(&self, process: u32) {
        let mut state = self.lock();
        state.shut = Some(process);
        for (port, client) in &state.open {
            if is_of(*port, process) {
                // One that has ended is as good.
                drop(client.shutdown(Shutdown::Both));
            }
        }
    }

    /// Lets everybody through again.
    pub fn open(&self) {
        self.lock().shut = None;
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn forward(client: &TcpStream, port: u16, state: &Mutex<State>) {
    let (Ok(from), Ok(kept)) = (client.peer_addr(), client.try_clone()) else {
        return;
    };
    {
        let mut state = lock(state);
        if state.shut.is_some_and(|shut| is_of(from.port(), shut)) {
            return;
        }
        state.open.insert(from.port(), kept);
    }
    if let Ok(server) = TcpStream::connect(("127.0.0.1", port)) {
        thread::scope(|scope| {
            scope.spawn(|| pump(client, &server));
            pump(&server, client);
        });
    }
    lock(state).open.remove(&from.port());
}

/// Copies until either side ends, and ends the other.
fn pump(mut from: &TcpStream, mut to: &TcpStream) {
    drop(copy(&mut from, &mut to));
    for side in [from, to] {
        drop(side.shutdown(Shutdown::Both));
    }
}

/// Whether the client's end of a connection, at this port, belongs to a process.
fn is_of(port: u16, process: u32) -> bool {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    let wanted = sockets_at(port, &table);
    let Ok(descriptors) = std::fs::read_dir(format!("/proc/{process}/fd")) else {
        return false;
    };
    descriptors
        .flatten()
        .filter_map(|one| std::fs::read_link(one.path()).ok())
        .any(|target| {
            wanted
                .iter()
                .any(|wanted| target.as_os_str() == wanted.as_str())
        })
}

/// The sockets at a port, in the words of `/proc/*/fd`. Several connections may have
/// one port, to different ends, and one that is closed still has it for a while.
fn sockets_at(port: u16, table: &str) -> Vec<String> {
    let port = format!(":{port:04X}");
    let inodes = table.lines().skip(1).filter_map(|line| {
        let mut fields = line.split_whitespace();
        let local = fields.nth(1)?;
        local.ends_with(&port).then(|| fields.nth(7))?
    });
    inodes.map(|inode| format!("socket:[{inode}]")).collect()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    /// The first one, of a connection that was closed, hid the one that was meant.
    #[test]
    fn every_connection_at_a_port_is_found() {
        let line = |port: &str, inode: u32| {
            format!("0: 0100007F:{port} 0100007F:20FB 01 0:0 00:0 0 0 0 {inode} 1 0 100\n")
        };
        let table =
            "header\n".to_owned() + &line("ABCD", 0) + &line("ABCE", 11) + &line("ABCD", 12);
        assert_eq!(sockets_at(0xABCD, &table), ["socket:[0]", "socket:[12]"]);
    }

    #[test]
    fn it_is_shut_for_one_process_alone() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        let proxy = Proxy::of(port);
        let echo = thread::spawn(move || {
            for mut client in server.incoming().take(2).flatten() {
                client.write_all(b"hello").unwrap();
            }
        });
        let dial = || TcpStream::connect((ADVERTISED, port)).unwrap();
        let read = |mut from: TcpStream| {
            let mut text = String::new();
            // A connection that was shut may be reset.
            drop(from.read_to_string(&mut text));
            text
        };
        proxy.shut_for(1);
        assert_eq!(read(dial()), "hello");
        proxy.shut_for(std::process::id());
        assert_eq!(read(dial()), "");
        proxy.open();
        assert_eq!(read(dial()), "hello");
        echo.join().unwrap();
    }
}
