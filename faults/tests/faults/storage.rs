//! What one node does when its disk fails it: it stops, says why, and loses
//! nothing that it acknowledged, power cuts included (I-01).

use std::sync::Arc;
use std::time::Duration;

use holdfast_faults::disk::{Keep, Trouble};
use holdfast_faults::net::Net;
use holdfast_faults::privilege;
use holdfast_faults::world::{FaultyAgent, FaultyNode};
use holdfast_tests::scratch::Scratch;
use holdfast_tests::until::until;

struct Alone {
    node: FaultyNode,
    net: Arc<Net>,
    scratch: Scratch,
}

/// One node, founded and logged in.
fn alone() -> Option<Alone> {
    if !privilege::ready() {
        return None;
    }
    holdfast_faults::net::clean_up();
    let scratch = Scratch::new();
    let net = Arc::new(Net::new(&["node-1", "agent-1"]).unwrap());
    let mut node = FaultyNode::place(&net, scratch.path(), "node-1");
    node.start(true);
    node.wait_ready();
    let password = std::fs::read_to_string(node.data().join("bootstrap-admin")).unwrap();
    let password = password.trim().trim_start_matches("admin:").to_owned();
    node.cli(|cli| cli.login("admin", &password));
    Some(Alone { node, net, scratch })
}

impl Alone {
    fn write(&self, name: &str) -> bool {
        let yaml = format!(
            "{{apiVersion: holdfast/v1, kind: Fleet, metadata: {{name: {name}}}, spec: {{}}}}"
        );
        self.node
            .cli(|cli| cli.run_with_input(["apply", "-f", "-"], &yaml).code == 0)
    }

    fn has(&self, name: &str) -> bool {
        self.node
            .cli(|cli| cli.run(["get", "fleet", name]).code == 0)
    }

    /// Waits until it has stopped by itself; what it said of that.
    fn stopped(&mut self) -> String {
        let status = until("the node to stop", Duration::from_secs(20), || {
            self.node.host.ended()
        });
        assert_eq!(status.code(), Some(1));
        let log = self.node.host.log();
        let said: Vec<&str> = log.lines().rev().take(2).collect();
        said.join("\n")
    }

    fn start_again(&mut self) {
        self.node.host.disk.trouble(Trouble::default());
        self.node.start(false);
        self.node.wait_ready();
    }

    fn power_cut(&mut self) {
        self.node.host.power_cut(&mut Keep::Nothing);
        self.start_again();
    }
}

#[test]
fn a_node_that_was_just_founded_survives_a_power_cut() {
    let Some(mut alone) = alone() else { return };
    assert!(alone.write("first"));
    alone.power_cut();
    assert!(alone.has("first"));
    assert!(alone.write("second"));
    alone.power_cut();
    assert!(alone.has("first") && alone.has("second"));
}

#[test]
fn a_node_whose_disk_is_full_stops_says_why_and_goes_on_with_room() {
    let Some(mut alone) = alone() else { return };
    assert!(alone.write("before"));
    let room = Some(0);
    alone.node.host.disk.trouble(Trouble {
        room,
        ..Trouble::default()
    });
    let acknowledged: Vec<String> = (0..200)
        .map(|number| format!("full-{number}"))
        .take_while(|name| alone.write(name))
        .collect();
    let said = alone.stopped();
    // Whichever of its files needed room first.
    assert!(said.contains("cannot be"), "{said}");
    assert!(said.contains("has space"), "{said}");
    // It may be started while the disk is full; it must not serve what it
    // cannot keep. With room it has all it acknowledged.
    alone.power_cut();
    assert!(alone.has("before"));
    assert!(
        acknowledged.iter().all(|name| alone.has(name)),
        "{acknowledged:?}"
    );
    assert!(alone.write("after"));
}

#[test]
fn what_is_acknowledged_after_a_failed_sync_survives_a_power_cut() {
    let Some(mut alone) = alone() else { return };
    assert!(alone.write("before"));
    let failing_sync = true;
    alone.node.host.disk.trouble(Trouble {
        failing_sync,
        ..Trouble::default()
    });
    assert!(
        !alone.write("unsynced"),
        "it was acknowledged without an fsync"
    );
    let said = alone.stopped();
    assert!(said.contains("the log cannot be written"), "{said}");
    // The kernel still has what never got to the disk, and the node reads it.
    alone.start_again();
    let shown = alone.has("unsynced");
    assert!(alone.write("after"));
    alone.power_cut();
    assert!(
        alone.has("before"),
        "lost what was acknowledged before the failed sync"
    );
    assert!(
        alone.has("after"),
        "lost what was acknowledged after the failed sync"
    );
    assert_eq!(alone.has("unsynced"), shown, "what was shown must stay");
}

/// What `enroll` answered is there: a token can be used once only.
#[test]
fn an_enrolment_survives_a_power_cut() {
    let Some(alone) = alone() else { return };
    let folder = alone.scratch.path();
    let mut agent = FaultyAgent::place(&alone.net, folder, "agent-1");
    let token = alone
        .node
        .cli(|cli| cli.json(["agent", "token", "create"])["token"].clone());
    let server = format!("https://{}:8443", alone.net.address("node-1"));
    agent.enroll(&server, token.as_str().unwrap());
    let sessions = |agent: &FaultyAgent| agent.host.log().matches("the session is up").count();
    let soon = Duration::from_secs(20);
    until("a session", soon, || (sessions(&agent) > 0).then_some(()));
    let before = sessions(&agent);
    agent.host.power_cut(&mut Keep::Nothing);
    agent.start();
    until("another session", soon, || {
        (sessions(&agent) > before).then_some(())
    });
}
