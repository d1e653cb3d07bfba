//! What is declared of a simulated fleet.

use serde_json::{Value, json};

/// Repositories of a simulated fleet.
pub const REPOSITORIES: usize = 4;

/// How many of what a simulated fleet has.
#[derive(Debug, Clone)]
pub struct Layout {
    /// Clusters, each at the agent of its number.
    pub clusters: usize,
    /// Fleets they are spread over.
    pub fleets: usize,
    /// Schedules of every policy, as they are written there.
    pub schedules: Vec<Value>,
    /// Limits of every policy, as they are written there.
    pub limits: Option<Value>,
}

/// The name of an agent.
pub fn agent_name(number: usize) -> String {
    format!("db-{number:05}")
}

/// The name of its cluster.
pub fn cluster_name(number: usize) -> String {
    format!("cluster-{number:05}")
}

fn document(kind: &str, metadata: &Value, spec: &Value) -> Value {
    json!({"apiVersion": "holdfast/v1", "kind": kind, "metadata": metadata, "spec": spec})
}

impl Layout {
    /// So many clusters that nobody schedules anything for.
    pub fn quiet(clusters: usize) -> Self {
        Self {
            clusters,
            fleets: 10,
            schedules: Vec::new(),
            limits: None,
        }
    }

    /// Repositories, fleets and policies: a policy for each repository.
    pub fn frame(&self) -> Vec<Value> {
        let mut documents = Vec::new();
        for number in 0..REPOSITORIES {
            let name = format!("repository-{number}");
            // Nobody opens it: only agents would.
            let url = format!("file:///nonexistent/{name}");
            documents.push(document(
                "Repository",
                &json!({"name": name}),
                &json!({"url": url}),
            ));
        }
        for number in 0..self.fleets {
            let metadata = json!({"name": format!("fleet-{number}")});
            documents.push(document("Fleet", &metadata, &json!({})));
        }
        documents.extend(self.policies());
        documents
    }

    /// The policies alone, for changing schedules and limits.
    pub fn policies(&self) -> Vec<Value> {
        let policy = |number: usize| {
            let mut spec = json!({
                "selector": {"repository": number.to_string()},
                "objectives": {"rpo": "60s"},
                "repository": format!("repository-{number}"),
                "schedules": self.schedules,
            });
            if let Some(limits) = &self.limits {
                spec["limits"] = limits.clone();
            }
            let metadata = json!({"name": format!("policy-{number}")});
            document("Policy", &metadata, &spec)
        };
        (0..REPOSITORIES).map(policy).collect()
    }

    /// The clusters.
    pub fn clusters(&self) -> Vec<Value> {
        let cluster = |number: usize| {
            let metadata = json!({
                "name": cluster_name(number),
                "fleet": format!("fleet-{}", number % self.fleets),
                "labels": {"repository": (number % REPOSITORIES).to_string()},
            });
            let instance = json!({
                "agent": agent_name(number),
                "connection": "host=/run/postgresql port=5432 user=holdfast",
            });
            document("Cluster", &metadata, &json!({"instances": [instance]}))
        };
        (0..self.clusters).map(cluster).collect()
    }
}
