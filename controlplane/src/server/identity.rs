//! Who this node is: `DATA/node.toml`, its certificate and the CA's.

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::directory::write_atomically;
use super::run::StartError;
use crate::config::Config;
use crate::secure::{Authority, PkiError, read_identity};

/// A node's id and name, fixed when it is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NodeFile {
    /// Its id among the nodes.
    pub(crate) id: u64,
    /// Its name.
    pub(crate) name: String,
    /// The nodes that there were when it joined; none for the founder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) peers: Vec<PeerFile>,
    /// By what its group is told from an earlier one of the same control
    /// plane; absent in the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) group: Option<String>,
}

/// A node that one can turn to before knowing the group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PeerFile {
    /// Its id.
    pub(crate) id: u64,
    /// `host:port` of its Raft listener.
    pub(crate) raft: String,
}

/// Where everything of a node is.
#[derive(Debug, Clone)]
pub(crate) struct Paths {
    data: PathBuf,
}

impl Paths {
    pub(crate) fn new(data: &Path) -> Self {
        let data = data.to_owned();
        Self { data }
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// The log and the state, which belong to the consensus crate.
    pub(crate) fn raft(&self) -> PathBuf {
        self.data.join("raft")
    }

    pub(crate) fn sealing_key(&self) -> PathBuf {
        self.data.join("sealing.key")
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.data.join("ca.pem")
    }

    /// The CA's key, sealed, for a node's certificate before the state is here.
    pub(crate) fn ca_key(&self) -> PathBuf {
        self.data.join("ca-key.sealed")
    }

    pub(crate) fn admin(&self) -> PathBuf {
        self.data.join("bootstrap-admin")
    }

    /// There while a `rebuild` or `restore-state` is under way: what one that
    /// was killed leaves is no place to found anything in.
    fn unfinished(&self) -> PathBuf {
        self.data.join("unfinished")
    }

    /// Marks the directory as one in which something is being made.
    pub(crate) fn begin(&self) -> Result<(), StartError> {
        self.write(&self.unfinished(), b"", 0o600)
    }

    /// What was made is whole, and lasts (I-01).
    pub(crate) fn finish(&self) -> Result<(), StartError> {
        let path = self.unfinished();
        std::fs::remove_file(&path)
            .and_then(|()| std::fs::File::open(&self.data)?.sync_all())
            .map_err(|source| StartError::io("delete", &path, source))
    }

    /// Whether something was being made here, and is not whole.
    pub(crate) fn is_unfinished(&self) -> bool {
        self.unfinished().exists()
    }

    fn certificate(&self) -> PathBuf {
        self.data.join("node.pem")
    }

    fn key(&self) -> PathBuf {
        self.data.join("node.key")
    }

    fn node(&self) -> PathBuf {
        self.data.join("node.toml")
    }

    pub(crate) fn read_node(&self) -> Result<Option<NodeFile>, StartError> {
        let Some(text) = self.read(&self.node())? else {
            return Ok(None);
        };
        let node = toml::from_str(&text).map_err(|error| StartError::Unreadable {
            path: self.node(),
            problem: error.to_string(),
        })?;
        Ok(Some(node))
    }

    pub(crate) fn write_node(&self, node: &NodeFile) -> Result<(), StartError> {
        let text = toml::to_string(node).map_err(|error| StartError::Unreadable {
            path: self.node(),
            problem: error.to_string(),
        })?;
        self.write(&self.node(), text.as_bytes(), 0o644)
    }

    fn read(&self, path: &Path) -> Result<Option<String>, StartError> {
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StartError::io("read", path, source)),
        }
    }

    pub(crate) fn write(&self, path: &Path, bytes: &[u8], mode: u32) -> Result<(), StartError> {
        write_atomically(path, bytes, mode).map_err(|source| StartError::io("write", path, source))
    }

    /// The certificate, the CA's and the key that were written last.
    pub(crate) fn read_certificate(
        &self,
    ) -> Result<Option<(rustls::sign::CertifiedKey, String)>, StartError> {
        let (ca, certificate) = (self.read(&self.ca())?, self.read(&self.certificate())?);
        let key = self.read(&self.key())?;
        let (Some(ca), Some(certificate), Some(key)) = (ca, certificate, key) else {
            return Ok(None);
        };
        Ok(Some((read_identity(&certificate, &ca, &key)?, ca)))
    }

    /// Makes a new certificate for this node, writes it down and gives it.
    pub(crate) fn renew_certificate(
        &self,
        authority: &Authority,
        node: &NodeFile,
        config: &Config,
    ) -> Result<rustls::sign::CertifiedKey, StartError> {
        let names = config.listen.names();
        let group = node.group.as_deref();
        let lasts = config.access.node_certificate.get();
        let of = (node.id, node.name.as_str());
        let issued = authority.issue_node(of, group, names, Timestamp::now(), lasts);
        let (issued, key) = issued.map_err(pki)?;
        let ca = authority.certificate_pem();
        self.write(&self.key(), key.as_bytes(), 0o600)?;
        self.write(
            &self.certificate(),
            issued.certificate_pem.as_bytes(),
            0o644,
        )?;
        self.write(&self.ca(), ca.as_bytes(), 0o644)?;
        Ok(read_identity(&issued.certificate_pem, ca, &key)?)
    }
}

pub(crate) fn pki(error: PkiError) -> StartError {
    StartError::Other(error.into())
}
