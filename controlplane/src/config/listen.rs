//! `[listen]`: the three listeners.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

/// Where a node listens. Port 0 takes any free one; `listen.json` tells which.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Listen {
    /// REST: plain HTTP on loopback, TLS anywhere else.
    pub rest: SocketAddr,
    /// gRPC for agents: TLS.
    pub grpc: SocketAddr,
    /// The nodes among themselves: mutual TLS.
    pub raft: SocketAddr,
    /// The host name or address under which others reach this node.
    pub advertise: Option<String>,
}

impl Default for Listen {
    fn default() -> Self {
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self {
            rest: local(8080),
            grpc: local(8443),
            raft: local(8444),
            advertise: None,
        }
    }
}

impl Listen {
    pub(super) fn problem(&self) -> Option<String> {
        let everywhere = [self.rest, self.grpc, self.raft]
            .iter()
            .any(|address| address.ip().is_unspecified());
        match &self.advertise {
            None if everywhere => Some(
                "listen.advertise: a listener on every address needs the host name under which \
                 others reach this node"
                    .to_owned(),
            ),
            Some(host) if !is_host(host) => Some(format!(
                "listen.advertise: \"{host}\" is not a host name or an address (no scheme, no port)"
            )),
            _ => None,
        }
    }

    /// The host in the URL of a listener.
    pub fn host_of(&self, address: SocketAddr) -> String {
        let host = self
            .advertise
            .clone()
            .unwrap_or_else(|| address.ip().to_string());
        match host.parse::<IpAddr>() {
            Ok(IpAddr::V6(v6)) => format!("[{v6}]"),
            _ => host,
        }
    }

    /// Every name under which this node's certificate must be valid.
    pub fn names(&self) -> Vec<String> {
        let mut names = vec![
            "localhost".to_owned(),
            "127.0.0.1".to_owned(),
            "::1".to_owned(),
        ];
        names.extend(self.advertise.clone());
        for address in [self.rest, self.grpc, self.raft] {
            if !address.ip().is_unspecified() {
                names.push(address.ip().to_string());
            }
        }
        names.sort();
        names.dedup();
        names
    }
}

fn is_host(host: &str) -> bool {
    let letters = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.' || c == '_';
    host.parse::<IpAddr>().is_ok()
        || (!host.is_empty() && host.len() <= 253 && host.chars().all(letters))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_everywhere_needs_a_name() {
        let mut listen = Listen {
            grpc: "0.0.0.0:8443".parse().unwrap(),
            ..Listen::default()
        };
        assert!(listen.problem().unwrap().contains("listen.advertise"));
        listen.advertise = Some("cp1.example.net".to_owned());
        assert_eq!(listen.problem(), None);
        assert_eq!(listen.host_of(listen.grpc), "cp1.example.net");
        listen.advertise = Some("https://cp1".to_owned());
        assert!(listen.problem().is_some());
        listen.advertise = Some("::1".to_owned());
        assert_eq!(listen.host_of(listen.grpc), "[::1]");
    }
}
