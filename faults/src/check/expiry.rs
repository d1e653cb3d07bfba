//! Expiry: what is kept is in the repository, what is deleted is not, whoever led
//! and whatever failed meanwhile (I-06). That what is listed is whole, a deep
//! verification says.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use holdfast_tests::programs::program;
use serde_json::Value as Json;

use super::work::text;
use crate::world::{CLUSTER, KEPT, World};

/// Backups that wait to be condemned or deleted.
pub(super) fn waiting(backups: &[Json]) -> Vec<String> {
    let in_state = |state: &str| {
        let found = backups.iter().filter(|one| text(one, "state") == state);
        found.count()
    };
    let mut waiting = Vec::new();
    if in_state("available") > KEPT {
        waiting.push(format!("{} backups are available", in_state("available")));
    }
    if in_state("condemned") > 0 {
        waiting.push(format!("{} backups are condemned", in_state("condemned")));
    }
    waiting
}

/// What is wrong, a line each; `key` is the file of the repository's key.
pub(super) fn expiry(world: &World, key: &Path) -> Vec<String> {
    let mut list = Command::new(program("holdfast-agent"));
    list.args(["repo", "list", "--repo", &world.repository(), "-o", "json"]);
    list.arg("--key-file").arg(key);
    let ran = list.output().expect("holdfast-agent starts");
    let listed: Json = serde_json::from_slice(&ran.stdout).unwrap_or_default();
    let Some(items) = listed["items"].as_array() else {
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        return vec![format!("the repository cannot be listed: {said}")];
    };
    let of_cluster = items.iter().filter(|one| text(one, "cluster") == CLUSTER);
    let there: BTreeSet<String> = of_cluster.map(|one| text(one, "id")).collect();
    let backups = match world.list("backups") {
        Ok(backups) => backups,
        Err(error) => return vec![format!("backups cannot be listed: {error}")],
    };
    let mut wrong = Vec::new();
    for backup in &backups {
        let (id, state) = (text(backup, "id"), text(backup, "state"));
        match (state.as_str(), there.contains(&id)) {
            ("available", false) => wrong.push(format!("{id} is kept, and is not there")),
            ("deleted", true) => wrong.push(format!("{id} is deleted, and is there")),
            _ => {}
        }
    }
    wrong
}
