//! Starting a node and ending it.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use holdfast_consensus::{Fault, Member, Node, NodeConfig, NodeId, OpenError, PeerTls, StateView};
use rustls_pki_types::CertificateDer;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::accept::{Peer, accept};
use super::found;
use super::identity::{NodeFile, Paths};
use super::listen_file::ListenFile;
use crate::api;
use crate::app::{App, Parts};
use crate::config::Config;
use crate::peer;
use crate::secure::{
    Authority, NodeIdentity, Purpose, SealError, Sealer, Signer, SigningKey, admit_node,
    agent_acceptor, peer_configs, rest_acceptor,
};

/// Why a node did not start, or ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory holds no node.
    #[error("the data directory {} holds no node", .0.display())]
    NotPrepared(PathBuf),
    /// A rebuild or a restore of the state was killed.
    #[error("{} holds what a rebuild or restore-state that ended in the middle has left", .0.display())]
    Unfinished(PathBuf),
    /// A listener's port is taken or forbidden.
    #[error("cannot listen on {address} for {what}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Which listener.
        what: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The operating system refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("{} cannot be read: {problem}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The consensus node did not start.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The sealing key.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// TLS.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
    /// There is no randomness.
    #[error("the operating system gives no randomness")]
    Randomness,
    /// Anything else.
    #[error("the node cannot start")]
    Other(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The node stopped by itself.
    #[error("the node had to stop: {0}")]
    Failed(Fault),
    /// The others have removed it.
    #[error("this node is no member any more: {0}")]
    Removed(String),
}

impl StartError {
    pub(super) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }

    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::NotPrepared(_) => "found a new control plane with --bootstrap, or join one with \
                 `holdfastd join`; if there was a node here, check that its volume is mounted"
                .to_owned(),
            Self::Unfinished(_) => "it acknowledged nothing, and the repositories were only read: \
                 delete the directory and run that command again"
                .to_owned(),
            Self::Listen { what, source, .. } => {
                if source.kind() == io::ErrorKind::AddrInUse {
                    format!("stop the program that listens there, or choose another with --{what}")
                } else {
                    format!("choose an address of this host with --{what}")
                }
            }
            Self::Io { .. } => "check that it exists, its owner, and the space there is".to_owned(),
            Self::Unreadable { .. } => "restore the file from another copy".to_owned(),
            Self::Open(error) => error.hint().to_owned(),
            Self::Seal(_) => "sealing.key is made at bootstrap and cannot be made again: restore \
                 it, with mode 0600"
                .to_owned(),
            Self::Tls(_) => "remove node.pem and node.key if they are damaged".to_owned(),
            Self::Randomness => "check the operating system".to_owned(),
            Self::Other(_) => "look at the log for what came before".to_owned(),
            Self::Failed(fault) => fault.hint().to_owned(),
            Self::Removed(_) => {
                "stop it for good; to use its host again, empty the data directory \
                 and join anew: it gets a new id"
                    .to_owned()
            }
        }
    }
}

/// A node that serves.
#[derive(Debug)]
pub struct Running {
    app: Arc<App>,
    listen: ListenFile,
    tasks: JoinSet<()>,
    servers: Vec<JoinHandle<()>>,
    stop_accepting: CancellationToken,
    paths: Paths,
}

struct Listeners {
    rest: (TcpListener, SocketAddr),
    grpc: (TcpListener, SocketAddr),
    raft: SocketAddr,
}

/// Starts the node that is in the data directory; with `bootstrap`, founds a
/// control plane where there is none.
pub async fn start(config: Config, bootstrap: bool) -> Result<Running, StartError> {
    let paths = Paths::new(&config.node.data);
    if paths.is_unfinished() {
        return Err(StartError::Unfinished(config.node.data.clone()));
    }
    let known = paths.read_node()?;
    if known.is_none() && !bootstrap {
        return Err(StartError::NotPrepared(config.node.data.clone()));
    }
    super::directory::make(paths.data())
        .map_err(|source| StartError::io("create", paths.data(), source))?;
    let (raft, raft_at) = bind(config.listen.raft, "raft").await?;
    let listeners = Listeners {
        rest: bind(config.listen.rest, "rest").await?,
        grpc: bind(config.listen.grpc, "grpc").await?,
        raft: raft_at,
    };
    let member = member(&config, &listeners);
    let opened = match known {
        Some(file) if !file.peers.is_empty() => {
            super::member::open(&paths, &config, file, member.clone(), raft).await?
        }
        known => open(&paths, &config, known, member.clone(), raft, bootstrap).await?,
    };
    serve(paths, config, opened, listeners, member).await
}

pub(super) struct Opened {
    pub(super) node: Node,
    pub(super) file: NodeFile,
    pub(super) sealer: Sealer,
    pub(super) identity: Arc<NodeIdentity>,
}

async fn open(
    paths: &Paths,
    config: &Config,
    known: Option<NodeFile>,
    member: Member,
    listener: TcpListener,
    bootstrap: bool,
) -> Result<Opened, StartError> {
    if let Some(file) = known {
        let (identity, peers) = identity(paths, file.group.as_deref())?;
        match Node::open(node_config(paths, &file, &peers)).await {
            Ok(node) if is_founded(&node).await? => {
                node.listen(listener)?;
                let sealer = Sealer::open(&paths.sealing_key())?;
                return Ok(Opened {
                    node,
                    file,
                    sealer,
                    identity,
                });
            }
            Ok(node) => {
                // Bootstrap ended between the log and its first entry.
                node.shutdown().await;
                if !bootstrap {
                    return Err(OpenError::Unfinished { dir: paths.raft() }.into());
                }
                std::fs::remove_dir_all(paths.raft())
                    .map_err(|source| StartError::io("clear", &paths.raft(), source))?;
            }
            Err(OpenError::NotPrepared { .. } | OpenError::Unfinished { .. }) if bootstrap => {}
            Err(error) => return Err(error.into()),
        }
    }
    let foundation = found::prepare(paths, config)?;
    let (identity, peers) = identity(paths, None)?;
    let node = Node::bootstrap(node_config(paths, &foundation.node, &peers), member).await?;
    node.listen(listener)?;
    found::found(&node, paths, config, &foundation).await?;
    tracing::info!(
        file = %paths.admin().display(),
        "founded a control plane; the administrator's password is in the file"
    );
    let (sealer, file) = (foundation.sealer, foundation.node);
    Ok(Opened {
        node,
        file,
        sealer,
        identity,
    })
}

pub(super) fn node_config(paths: &Paths, file: &NodeFile, peers: &PeerTls) -> NodeConfig {
    NodeConfig {
        peers: Some(peers.clone()),
        ..NodeConfig::new(paths.raft(), NodeId(file.id))
    }
}

pub(super) fn identity(
    paths: &Paths,
    group: Option<&str>,
) -> Result<(Arc<NodeIdentity>, PeerTls), StartError> {
    let read = paths.read_certificate()?;
    let (certificate, ca) = read.ok_or_else(|| StartError::Unreadable {
        path: paths.data().join("node.pem"),
        problem: "the node's certificate, its key or the CA's certificate is not there".to_owned(),
    })?;
    let identity = NodeIdentity::new(certificate);
    let (server, client) = peer_configs(&identity, &ca)?;
    let group = group.map(str::to_owned);
    let admit = move |certificate: &CertificateDer<'_>| admit_node(certificate, group.as_deref());
    let peers = PeerTls::new(&server, &client, Arc::new(admit));
    Ok((identity, peers))
}

/// Whether the founding command is applied. Only what this node has applied
/// itself is asked first: with other nodes it may be alone for now.
async fn is_founded(node: &Node) -> Result<bool, StartError> {
    if has_pki(&node.read_stale().view).await? {
        return Ok(true);
    }
    let view = node.read().await;
    has_pki(&view.map_err(|error| StartError::Other(error.into()))?).await
}

async fn has_pki(view: &StateView) -> Result<bool, StartError> {
    let pki = holdfast_state::query::pki(view.connection()).await;
    Ok(pki
        .map_err(|error| StartError::Other(error.into()))?
        .is_some())
}

async fn bind(
    address: SocketAddr,
    what: &'static str,
) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Listen {
        address,
        what,
        source,
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let local = listener.local_addr().map_err(failed)?;
    Ok((listener, local))
}

fn member(config: &Config, listeners: &Listeners) -> Member {
    let at = |address: SocketAddr| format!("{}:{}", config.listen.host_of(address), address.port());
    Member {
        raft: at(listeners.raft),
        grpc: at(listeners.grpc.1),
        rest: at(listeners.rest.1),
    }
}

async fn load(config: Config, opened: Opened, member: Member) -> Result<Parts, StartError> {
    let sealer = opened.sealer;
    let other = |error: holdfast_state::StateError| StartError::Other(error.into());
    // As this node has applied it: there may be no quorum yet, and what is read
    // here never changes.
    let view = opened.node.read_stale().view;
    let pki = holdfast_state::query::pki(view.connection())
        .await
        .map_err(other)?;
    let pki = pki.ok_or(OpenError::Unfinished {
        dir: config.node.data.clone(),
    })?;
    let ca_key = sealer.unseal(&Purpose::CaKey, &pki.ca_key)?;
    let authority = Authority::new(pki.ca_certificate, &ca_key).map_err(super::identity::pki)?;
    let mut keys = Vec::new();
    for key in holdfast_state::query::signing_keys(view.connection())
        .await
        .map_err(other)?
    {
        let pkcs8 = sealer.unseal(&Purpose::SigningKey(&key.id), &key.sealed)?;
        keys.push(SigningKey { id: key.id, pkcs8 });
    }
    let signer = Signer::new(&keys).ok_or_else(|| StartError::Other("no signing key".into()))?;
    Ok(Parts {
        config,
        node_name: opened.file.name,
        sealer,
        authority,
        signer,
        member,
        identity: opened.identity,
    })
}

async fn serve(
    paths: Paths,
    config: Config,
    opened: Opened,
    listeners: Listeners,
    member: Member,
) -> Result<Running, StartError> {
    let (node, identity) = (opened.node.clone(), opened.identity.clone());
    let listen = listen_file(&paths, &config, &listeners);
    let file = opened.file.clone();
    let parts = load(config, opened, member).await?;
    identity.replace(paths.renew_certificate(&parts.authority, &file, &parts.config)?);
    let ca_pem = parts.authority.certificate_pem().to_owned();
    let app = App::new(node, parts);
    app.node.answer_calls(peer::Answerer::new(&app));
    let stop = CancellationToken::new();
    let (rest, rest_at) = listeners.rest;
    let rest_tls = (!rest_at.ip().is_loopback()).then(|| rest_acceptor(identity.clone()));
    let (grpc, grpc_at) = listeners.grpc;
    let grpc_tls = agent_acceptor(identity.clone(), &ca_pem)?;
    let rest = accept(rest, rest_at, rest_tls, stop.clone());
    let grpc = accept(grpc, grpc_at, Some(grpc_tls), stop.clone());
    let rest_api = api::rest::router(app.clone());
    let grpc_api = api::grpc::server(app.clone(), rest_api.clone()).map_err(StartError::Other)?;
    let servers = vec![
        tokio::spawn(serve_rest(app.clone(), rest_api, rest)),
        tokio::spawn(serve_grpc(app.clone(), grpc_api, grpc)),
        tokio::spawn(super::renew::keep_fresh(
            app.clone(),
            paths.clone(),
            file,
            identity,
        )),
    ];
    let tasks = crate::task::spawn_all(&app);
    listen
        .write(paths.data())
        .map_err(|source| StartError::io("write", paths.data(), source))?;
    tracing::info!(
        rest = listen.rest,
        grpc = listen.grpc,
        raft = listen.raft,
        "ready"
    );
    Ok(Running {
        app,
        listen,
        tasks,
        servers,
        stop_accepting: stop,
        paths,
    })
}

fn listen_file(paths: &Paths, config: &Config, listeners: &Listeners) -> ListenFile {
    let url = |scheme: &str, address: SocketAddr| {
        format!(
            "{scheme}://{}:{}",
            config.listen.host_of(address),
            address.port()
        )
    };
    let plain = listeners.rest.1.ip().is_loopback();
    ListenFile {
        rest: url(if plain { "http" } else { "https" }, listeners.rest.1),
        grpc: url("https", listeners.grpc.1),
        raft: url("https", listeners.raft),
        ca_file: std::path::absolute(paths.ca()).unwrap_or_else(|_| paths.ca()),
    }
}

async fn serve_rest(app: Arc<App>, api: axum::Router, listener: super::accept::Ready) {
    let stop = app.stop.clone();
    let service = api.into_make_service_with_connect_info::<Peer>();
    let served = axum::serve(listener, service)
        .with_graceful_shutdown(async move { stop.cancelled().await });
    if let Err(error) = served.await {
        tracing::error!(%error, "REST has ended");
    }
}

async fn serve_grpc(
    app: Arc<App>,
    api: tonic::transport::server::Router,
    listener: super::accept::Ready,
) {
    let stop = app.stop.clone();
    let served = api
        .serve_with_incoming_shutdown(listener.into_tls(), async move { stop.cancelled().await });
    if let Err(error) = served.await {
        tracing::error!(%error, "gRPC has ended");
    }
}

impl Running {
    /// Where it listens.
    pub fn listen(&self) -> &ListenFile {
        &self.listen
    }

    /// Waits until the node stops by itself.
    pub async fn failed(&self) -> StartError {
        tokio::select! {
            fault = self.app.node.failed() => StartError::Failed(fault),
            () = self.app.removed.cancelled() => {
                StartError::Removed("the other nodes have removed it".to_owned())
            }
        }
    }

    /// Ends it: nothing new is accepted, what is under way is finished, and
    /// the node gives its directory back.
    pub async fn stop(mut self) {
        if let Err(error) = ListenFile::remove(self.paths.data()) {
            tracing::warn!(%error, "failed to remove listen.json");
        }
        self.stop_accepting.cancel();
        self.app.stop.cancel();
        let ended = async {
            while self.tasks.join_next().await.is_some() {}
            for server in &mut self.servers {
                // One that panicked has ended too.
                let _ = server.await;
            }
        };
        let patience = std::time::Duration::from_secs(5);
        if tokio::time::timeout(patience, ended).await.is_err() {
            tracing::warn!("some requests did not end in time");
        }
        self.app.node.shutdown().await;
    }
}
