//! A node that passed a write on and does not catch up with it in time.

use holdfast_faults::load::{Answer, Client};
use holdfast_faults::net::Rules;
use holdfast_faults::privilege;
use holdfast_faults::world::{NODES, RAFT, REST, World};
use serde_json::{Value as Json, json};

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

/// Whether that is there, as another node says.
fn written(world: &World, node: usize, wanted: &str) -> bool {
    let found = ask(world, node, async |client| {
        client.get(&format!("fleets/{NAME}")).await
    });
    description(&found).is_some_and(|found| found == wanted)
}

// It answered from what it had: that there is no such thing, or what was there
// before.
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
        // It passes on what it is asked, and does not hear of what is committed.
        world.rules.cut_port(NODES[leader], NODES[behind], RAFT);
        world.apply_rules();
        let answer = put(&world, behind, wanted);
        let shown = description(&answer).cloned();
        world.rules = Rules::default();
        world.apply_rules();
        world.wait_whole();
        let unknown = matches!(&answer, Answer::Unknown(code) if code == "outcome_unknown");
        assert!(unknown || shown == Some(json!(wanted)), "{answer:?}");
        assert!(written(&world, leader, wanted), "{answer:?}");
    }
}
