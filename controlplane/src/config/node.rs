//! `[node]`: the node itself.

use std::path::PathBuf;

use holdfast_state::schema;
use serde::{Deserialize, Serialize};

/// The node itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Node {
    /// Its directory: state, sealing key, what it wrote about itself.
    pub data: PathBuf,
    /// Its name; `node-1` on the first node when it is not said.
    pub name: Option<String>,
    /// The feature level that the group is not raised above while this node
    /// says so: until then the release before this one can come back.
    pub feature_level_max: Option<u32>,
}

impl Default for Node {
    fn default() -> Self {
        Self {
            data: PathBuf::from("/var/lib/holdfast"),
            name: None,
            feature_level_max: None,
        }
    }
}

impl Node {
    /// The newest feature level that this node will have.
    pub fn newest_level(&self) -> u32 {
        self.feature_level_max
            .map_or(schema::NEWEST, |most| most.min(schema::NEWEST))
    }

    pub(super) fn problem(&self) -> Option<String> {
        if self
            .feature_level_max
            .is_some_and(|most| most < schema::VERSION)
        {
            return Some(format!(
                "node.featureLevelMax: levels begin at {}",
                schema::VERSION
            ));
        }
        let name = self.name.as_deref()?;
        let parsed = name.parse::<holdfast_types::Name>();
        parsed.err().map(|error| format!("node.name: {error}"))
    }
}
