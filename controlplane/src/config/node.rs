//! `[node]`: the node itself.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The node itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Node {
    /// Its directory: state, sealing key, what it wrote about itself.
    pub data: PathBuf,
    /// Its name; `node-1` on the first node when it is not said.
    pub name: Option<String>,
}

impl Default for Node {
    fn default() -> Self {
        Self {
            data: PathBuf::from("/var/lib/holdfast"),
            name: None,
        }
    }
}

impl Node {
    pub(super) fn problem(&self) -> Option<String> {
        let name = self.name.as_deref()?;
        let parsed = name.parse::<holdfast_types::Name>();
        parsed.err().map(|error| format!("node.name: {error}"))
    }
}
