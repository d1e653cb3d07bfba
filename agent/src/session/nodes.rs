//! Where the nodes of the control plane are: as configured, and as the last
//! node told that welcomed this agent. The latter is kept on disk, so that an
//! agent finds nodes that came after its enrolment even when those it was
//! enrolled with are gone.

use std::path::PathBuf;
use std::sync::Mutex;

use crate::config::check_server;
use crate::file::write_atomically;

const FILE: &str = "nodes.json";

/// The nodes an agent may dial.
#[derive(Debug)]
pub struct Nodes {
    configured: Vec<String>,
    learnt: Mutex<Vec<String>>,
    path: PathBuf,
}

impl Nodes {
    /// Those configured, and those that `data` remembers.
    pub fn new(data: &std::path::Path, configured: Vec<String>) -> Self {
        let path = data.join(FILE);
        // A file that cannot be read costs what it would have taught.
        let learnt = std::fs::read(&path)
            .ok()
            .and_then(|bytes| serde_json::from_slice::<Vec<String>>(&bytes).ok())
            .unwrap_or_default();
        Self {
            configured,
            learnt: Mutex::new(learnt),
            path,
        }
    }

    /// All of them, each once.
    pub fn all(&self) -> Vec<String> {
        let learnt = self
            .learnt
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut all = self.configured.clone();
        for server in learnt.iter() {
            if !all.contains(server) {
                all.push(server.clone());
            }
        }
        all
    }

    /// Keeps what a node told.
    pub fn learn(&self, told: Vec<String>) {
        let usable = |server: &String| check_server(server).is_ok();
        let told: Vec<String> = told.into_iter().filter(usable).collect();
        let mut learnt = self
            .learnt
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if told.is_empty() || *learnt == told {
            return;
        }
        let bytes = serde_json::to_vec(&told).unwrap_or_default();
        if let Err(error) = write_atomically(&self.path, &bytes, 0o644) {
            tracing::warn!(%error, file = %self.path.display(), "the nodes are not remembered");
        }
        *learnt = told;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_node_told_is_remembered_beside_what_is_configured() {
        let data = tempfile::tempdir().unwrap();
        let one = || vec!["https://cp1:8443".to_owned()];
        let nodes = Nodes::new(data.path(), one());
        let told = ["https://cp2:8443", "https://cp1:8443", "ftp://cp3"];
        nodes.learn(told.map(str::to_owned).to_vec());
        nodes.learn(Vec::new());
        let expected = ["https://cp1:8443", "https://cp2:8443"];
        assert_eq!(nodes.all(), expected);
        assert_eq!(Nodes::new(data.path(), one()).all(), expected);
        std::fs::write(data.path().join(FILE), "{").unwrap();
        assert_eq!(Nodes::new(data.path(), one()).all(), one());
    }
}
