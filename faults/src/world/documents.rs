//! What the world is told to do: a cluster, its repository, and a policy with two
//! schedules that are due every minute.

use holdfast_types::Name;
use holdfast_types::resource::Schedule;
use holdfast_types::schedule::Timetable;
use jiff::Timestamp;
use serde_json::json;

use super::{AGENTS, CLUSTER, World};

/// So many backups are kept; the others expire while things go wrong.
pub const KEPT: usize = 1;

impl World {
    /// The URL of the repository.
    pub fn repository(&self) -> String {
        let folder = self.agents[0].host.disk.path().join("repository");
        format!("file://{}", folder.display())
    }

    pub(super) fn documents(&self) -> String {
        let connection = self.postgres.socket_conninfo();
        let [at_server, relay] = AGENTS;
        format!(
            "apiVersion: holdfast/v1
kind: Repository
metadata: {{name: main}}
spec: {{url: \"{}\"}}
---
apiVersion: holdfast/v1
kind: Cluster
metadata: {{name: {CLUSTER}, labels: {{tier: gold}}}}
spec:
  instances:
    - {{agent: {at_server}, connection: \"{} user=holdfast\"}}
  relays:
    - {{agent: {relay}, connections: {{{at_server}: \"host={} port={} user=holdfast\"}}}}
---
apiVersion: holdfast/v1
kind: Policy
metadata: {{name: gold}}
spec:
  selector: {{tier: gold}}
  objectives: {{rpo: 30s}}
  repository: main
  wal: {{flushEvery: 500ms}}
  retention: {{keep: {{last: {KEPT}}}}}
  schedules:
    - {{name: by-cron, kind: full, cron: \"* * * * *\", retry: {{max: 20}}}}
    - {{name: {}, kind: full, every: 1m, overlap: queueOne, catchUp: all, retry: {{max: 20}}}}
",
            self.repository(),
            connection.replace(" user=postgres", ""),
            self.net.address(at_server),
            self.postgres.port(),
            half_past(),
        )
    }
}

/// The name of a schedule that is due in the middle of every minute, so that
/// with the one by cron something is every half minute. When a period begins
/// follows from the names of cluster and schedule, so one is looked for.
fn half_past() -> String {
    let cluster: Name = CLUSTER.parse().expect("a name");
    let now = Timestamp::now();
    let is_half_past = |name: &String| {
        let document = json!({"name": name, "kind": "full", "every": "1m"});
        let schedule: Schedule = serde_json::from_value(document).expect("a schedule");
        let timetable = Timetable::new(&cluster, &schedule).expect("a timetable");
        let due = timetable.next_due(now).expect("a due time");
        due.at.as_second().rem_euclid(60) == 30
    };
    let mut names = (0..2_000).map(|number| format!("by-period-{number}"));
    names.find(is_half_past).expect("some name fits")
}
