//! The network that can be slow.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use holdfast_faults::disk::{Disk, Keep, Names};
use holdfast_faults::net::{Net, Rules};
use holdfast_faults::privilege;

const BYTES: usize = 1 << 20;
const DELAY: Duration = Duration::from_millis(150);

/// Sends much from `one` to `two`: how long connecting took. All must arrive
/// unchanged.
fn send(net: &Net) -> Duration {
    let sent: Vec<u8> = (0..=u8::MAX).cycle().take(BYTES).collect();
    let (bound, port) = mpsc::channel();
    std::thread::scope(|scope| {
        let receiver = scope.spawn(|| {
            net.inside("two", || {
                let listener = TcpListener::bind("0.0.0.0:0").unwrap();
                bound.send(listener.local_addr().unwrap().port()).unwrap();
                let mut got = Vec::new();
                listener.accept().unwrap().0.read_to_end(&mut got).unwrap();
                got
            })
        });
        let address = format!("{}:{}", net.address("two"), port.recv().unwrap());
        let connected = net.inside("one", || {
            let started = Instant::now();
            let mut stream = TcpStream::connect(&address).unwrap();
            let connected = started.elapsed();
            stream.write_all(&sent).unwrap();
            connected
        });
        assert!(receiver.join().unwrap() == sent, "what arrived differs");
        connected
    })
}

#[test]
fn a_wire_is_slow_in_both_directions_loses_nothing_and_is_fast_again() {
    if !privilege::ready() {
        return;
    }
    let net = Net::new(&["one", "two"]).unwrap();
    assert!(send(&net) < DELAY);
    let mut rules = Rules::default();
    rules.delay("two", DELAY);
    net.apply(&rules).unwrap();
    // There and back, plus the question who has that address.
    assert!(send(&net) >= 2 * DELAY);
    net.apply(&Rules::default()).unwrap();
    assert!(send(&net) < DELAY);
}

// What slows a wire had mounts of its own: a disk whose power was cut stayed
// mounted there, and whoever cut it waited for ever.
#[test]
fn the_power_of_a_disk_can_be_cut_while_a_wire_is_slow() {
    if !privilege::ready() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("disk");
    let mut disk = Disk::mount(&at, &folder.path().join("images"), Names::Strict).unwrap();
    let net = Net::new(&["one"]).unwrap();
    let mut rules = Rules::default();
    rules.delay("one", DELAY);
    net.apply(&rules).unwrap();
    disk.power_cut(&mut Keep::Nothing).unwrap();
}
