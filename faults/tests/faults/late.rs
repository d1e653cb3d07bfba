//! A node that passed a write on and does not catch up with it in time.

use std::time::Duration;

use holdfast_faults::disk::Trouble;
use holdfast_faults::load::{Answer, Client};
use holdfast_faults::privilege;
use holdfast_faults::world::{NODES, REST, World};
use serde_json::{Value as Json, json};

/// Longer than a command has, and shorter than a client waits.
const SLOW_SYNC: Duration = Duration::from_millis(6500);
const NAME: &str = "late";

fn ask(world: &World, node: usize, act: impl AsyncFnOnce(Client) -> Answer + Send) -> Answer {
    world.net.inside(NODES[node], || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build().unwrap();
        runtime.block_on(act(Client::new(REST, &world.token)))
    })
}

fn put(world: &World, node: usize, description: &str) -> Answer {
    let document = json!({
        "apiVersion": "holdfast/v1", "kind": "Fleet", "metadata": {"name": NAME},
        "spec": {"description": description},
    });
    ask(world, node, async |client| {
        client.put(&format!("fleets/{NAME}"), &document, None).await
    })
}

fn description(answer: &Answer) -> Option<&Json> {
    match answer {
        Answer::Done(document, _) => Some(&document["spec"]["description"]),
        _ => None,
    }
}

/// The same through a node that leads or follows as it should.
fn written(world: &World, node: usize, wanted: &str) -> bool {
    let found = ask(world, node, async |client| {
        client.get(&format!("fleets/{NAME}")).await
    });
    description(&found).is_some_and(|found| found == wanted)
}

// What was read of the state by a node that had not applied the write: that
// there is no such thing, or what was there before.
#[test]
fn a_write_is_not_said_to_be_undone_by_a_node_that_has_not_caught_up() {
    if !privilege::ready() {
        return;
    }
    let mut world = World::unprotected();
    for wanted in ["new", "changed"] {
        world.wait_whole();
        let leader = world.leader().unwrap();
        let behind = (leader + 1) % NODES.len();
        world.nodes[behind].host.disk.trouble(Trouble {
            slow_sync: SLOW_SYNC,
            ..Trouble::default()
        });
        let answer = put(&world, behind, wanted);
        assert!(written(&world, leader, wanted), "{wanted}: {answer:?}");
        match &answer {
            Answer::Unknown(code) => assert_eq!(code, "outcome_unknown"),
            _ => assert_eq!(description(&answer), Some(&json!(wanted)), "{answer:?}"),
        }
        world.nodes[behind].host.disk.trouble(Trouble::default());
    }
}
