//! Who receives WAL: relays stand in for agents that are gone, and the duty
//! follows the primary.

use holdfast_pg::testkit::{TestCluster, major};
use holdfast_tests::agent::Agent;
use holdfast_tests::cli::Cli;
use holdfast_tests::control_plane::ControlPlane;
use holdfast_tests::fleet::{LONG, ROLE};
use holdfast_tests::patroni::Group;
use holdfast_tests::scratch::Scratch;
use holdfast_tests::store::Store;
use holdfast_tests::until::until;
use jiff::Timestamp;
use rustix::process::Signal;
use serde_json::Value;

pub(crate) struct Site {
    // In the order in which they must end.
    agents: Vec<Agent>,
    pub(crate) cli: Cli,
    control_plane: ControlPlane,
    scratch: Scratch,
}

impl Site {
    pub(crate) fn start(bin_dir: &std::path::Path, names: &[&str]) -> Self {
        let scratch = Scratch::new();
        let control_plane = ControlPlane::bootstrap(scratch.path());
        let cli = control_plane.cli();
        Store::directory(&scratch).apply(&cli);
        let enroll = |name: &&str| {
            Agent::enroll_with(&control_plane, &cli, scratch.path(), name, Some(bin_dir))
        };
        let agents = names.iter().map(enroll).collect();
        Self {
            agents,
            cli,
            control_plane,
            scratch,
        }
    }

    pub(crate) fn protect(&self, instances: &str, relays: &str) {
        self.cli.apply(&format!(
            "apiVersion: holdfast/v1
kind: Cluster
metadata: {{name: orders}}
spec:
  instances: [{instances}]
  relays: [{relays}]
---
apiVersion: holdfast/v1
kind: Policy
metadata: {{name: all}}
spec:
  selector: {{}}
  objectives: {{rpo: 30s}}
  repository: main
  wal: {{flushEvery: 500ms}}
"
        ));
    }

    fn repository(&self) -> Value {
        self.cli.json(["exposure", "orders"])["items"][0]["repositories"][0].clone()
    }

    /// Waits until `agent` receives from `instance`, and what is committed now
    /// is in the repository.
    pub(crate) fn receives(&self, agent: &str, instance: &str) {
        let what = format!("{agent} to receive from {instance}");
        until(&what, LONG, || {
            let receiver = self.repository()["receiver"].clone();
            (receiver["agent"] == agent && receiver["instance"] == instance).then_some(())
        });
        let now = Timestamp::now();
        let what = format!("the frontier to pass {now} by {agent}");
        until(&what, LONG, || {
            let frontier = self.repository()["frontier"].as_str()?.parse::<Timestamp>();
            (frontier.ok()? >= now).then_some(())
        });
        let repository = self.repository();
        assert_eq!(repository["gaps"], serde_json::json!([]), "{repository}");
    }
}

fn slots(server: &TestCluster) -> String {
    server.psql("SELECT coalesce(string_agg(slot_name, ','), '') FROM pg_replication_slots WHERE slot_name LIKE 'holdfast%'")
}

// I-04, I-08
#[test]
fn a_relay_stands_in_for_a_paused_agent_and_gives_the_duty_back() {
    let programs = major(18);
    let server = TestCluster::builder(&programs)
        .hba("host all holdfast 127.0.0.1/32 trust")
        .hba("host replication holdfast 127.0.0.1/32 trust")
        .start();
    server.psql(ROLE);
    let mut site = Site::start(programs.directory(), &["db1", "relay"]);
    let local = server.socket_conninfo().replace(" user=postgres", "");
    site.protect(
        &format!("{{agent: db1, connection: \"{local} user=holdfast\"}}"),
        &format!(
            "{{agent: relay, connections: {{db1: \"{}\"}}}}",
            server.tcp_conninfo("holdfast")
        ),
    );
    site.receives("db1", "db1");

    // Paused, it holds the slot: PostgreSQL takes it to be alive for a minute.
    site.agents[0].process().signal(Signal::STOP);
    site.receives("relay", "db1");
    assert_eq!(slots(&server), "holdfast_orders");

    // Back, it learns of the higher generation, and leaves the slot alone.
    site.agents[0].process().signal(Signal::CONT);
    until("the agent to end its duty", LONG, || {
        site.agents[0].log().contains("WAL duty ends").then_some(())
    });
    site.receives("relay", "db1");
    assert_eq!(slots(&server), "holdfast_orders");

    site.agents[1].kill();
    site.receives("db1", "db1");
    assert_eq!(slots(&server), "holdfast_orders");
    drop(site);
}

#[test]
fn the_duty_follows_a_promotion_and_a_primary_that_came_back_is_not_believed() {
    let programs = major(15);
    let primary = TestCluster::builder(&programs).start();
    primary.psql(ROLE);
    let standby = primary.standby(Some("standby"));
    let site = Site::start(programs.directory(), &["db1", "db2"]);
    let connection = |server: &TestCluster| {
        let local = server.socket_conninfo().replace(" user=postgres", "");
        format!("connection: \"{local} user=holdfast\"")
    };
    let instances = format!(
        "{{agent: db1, {}}}, {{agent: db2, {}}}",
        connection(&primary),
        connection(&standby)
    );
    site.protect(&instances, "");
    site.receives("db1", "db1");
    // Every instance keeps WAL: any of them may be next.
    let has_slot = |server: &TestCluster| {
        until("the slot", LONG, || {
            (slots(server) == "holdfast_orders").then_some(())
        });
    };
    has_slot(&standby);

    primary.stop("fast");
    standby.promote();
    site.receives("db2", "db2");
    assert_eq!(slots(&standby), "holdfast_orders");
    // The old primary comes back as one: its timeline is the older one.
    primary.start_again();
    until("the old primary to be seen again", LONG, || {
        let agents = site.cli.json(["agent", "list"]);
        let db1 = agents["items"]
            .as_array()?
            .iter()
            .find(|one| one["name"] == "db1")?;
        (db1["instances"][0]["reachable"]["role"] == "primary").then_some(())
    });
    standby.psql("CREATE TABLE after_failover (id int)");
    site.receives("db2", "db2");
    has_slot(&primary);

    // Nobody wants WAL any more: no slot is left behind.
    site.cli.run(["delete", "policy", "all"]);
    for server in [&primary, &standby] {
        until("the slot to go", LONG, || {
            slots(server).is_empty().then_some(())
        });
    }
    drop((site.control_plane, site.scratch));
}

#[test]
fn patroni_says_who_leads() {
    let programs = major(18);
    let group = Group::start(&programs);
    let mut site = Site::start(programs.directory(), &["db1", "db2"]);
    let instance = |index: usize, agent: &str| {
        format!(
            "{{agent: {agent}, connection: \"{} user=holdfast\", patroni: \"{}\"}}",
            group.connection(index),
            group.rest(index)
        )
    };
    let instances = format!("{}, {}", instance(0, "db1"), instance(1, "db2"));
    site.protect(&instances, "");
    let leader = group.leader();
    let name = ["db1", "db2"][leader];
    site.receives(name, name);
    let told = site.cli.json(["agent", "list"]);
    let agents = told["items"].as_array().unwrap();
    let one = agents.iter().find(|one| one["name"] == name).unwrap();
    let patroni = &one["instances"][0]["patroni"];
    assert_eq!(patroni["leader"], patroni["member"], "{told}");

    group.switch_over();
    let name = ["db1", "db2"][1 - leader];
    assert_eq!(group.leader(), 1 - leader);
    site.receives(name, name);
    site.agents.clear();
}
