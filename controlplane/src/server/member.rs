//! Starting a node that joined others.
//!
//! It listens before it asks anything: the others may wait for it to elect a
//! leader. Until the leader has let it in for good it says hello and waits.

use std::time::Duration;

use holdfast_consensus::{Member, Node, NodeId};
use jiff::Timestamp;
use tokio::net::TcpListener;

use super::identity::{NodeFile, Paths, PeerFile};
use super::run::{Opened, StartError, identity, node_config};
use crate::config::Config;
use crate::peer::Hello;
use crate::secure::{Authority, Purpose, Sealer};

const AGAIN: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn open(
    paths: &Paths,
    config: &Config,
    file: NodeFile,
    member: Member,
    listener: TcpListener,
) -> Result<Opened, StartError> {
    let sealer = Sealer::open(&paths.sealing_key())?;
    renew(paths, config, &file, &sealer)?;
    let (identity, peers) = identity(paths, file.group.as_deref())?;
    let node = Node::open(node_config(paths, &file, &peers)).await?;
    node.listen(listener)?;
    if let Err(error) = let_in(&node, (&file, config), &member).await {
        node.shutdown().await;
        return Err(error);
    }
    Ok(Opened {
        node,
        file,
        sealer,
        identity,
    })
}

/// A certificate for the names under which it is reached now.
fn renew(
    paths: &Paths,
    config: &Config,
    file: &NodeFile,
    sealer: &Sealer,
) -> Result<(), StartError> {
    let path = paths.ca_key();
    let sealed = std::fs::read(&path).map_err(|source| StartError::io("read", &path, source))?;
    let key = sealer.unseal(&Purpose::CaKey, &holdfast_state::Sealed::new(sealed))?;
    let path = paths.ca();
    let ca = std::fs::read_to_string(&path);
    let ca = ca.map_err(|source| StartError::io("read", &path, source))?;
    let authority = Authority::new(ca, &key).map_err(super::identity::pki)?;
    paths.renew_certificate(&authority, file, config)?;
    Ok(())
}

/// Waits until the state is here: from an earlier life, or from the leader.
async fn let_in(
    node: &Node,
    (file, config): (&NodeFile, &Config),
    member: &Member,
) -> Result<(), StartError> {
    let level = config.node.newest_level();
    let body = serde_json::to_vec(&Hello::new(NodeId(file.id), member.clone(), level))
        .map_err(|error| StartError::Other(error.into()))?;
    let began = Timestamp::now();
    let mut told = false;
    loop {
        let view = node.read_stale().view;
        let pki = holdfast_state::query::pki(view.connection()).await;
        if pki
            .map_err(|error| StartError::Other(error.into()))?
            .is_some()
        {
            return Ok(());
        }
        if !told {
            tracing::info!(since = %began, "waiting to be let in by the other nodes");
            told = true;
        }
        for PeerFile { id, raft } in &file.peers {
            let called = node.call_address(
                NodeId(*id),
                raft,
                crate::peer::HELLO,
                body.clone().into(),
                PATIENCE,
            );
            match called.await {
                Ok(_) => break,
                Err(error) if error.code() == crate::peer::REMOVED => {
                    return Err(StartError::Removed(error.to_string()));
                }
                Err(error) => tracing::debug!(peer = raft, "nobody hears this node: {error}"),
            }
        }
        tokio::select! {
            fault = node.failed() => return Err(StartError::Failed(fault)),
            () = tokio::time::sleep(AGAIN) => {},
        }
    }
}
