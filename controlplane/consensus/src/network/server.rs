//! The answering side.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use openraft::errors::{Fatal, LinearizableReadError, RaftError};
use openraft::{ReadPolicy, Snapshot};
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use super::desk::{self, Desk};
use super::tls::{Admitted, PeerId, PeerTls};
use super::{FRAME_BYTES_MAX, Freshness, NODE_REMOVED, exchange, receive};
use crate::machine::Machine;
use crate::raft::{NodeId, Raft};
use crate::wire::pb::raft_service_server::{RaftService, RaftServiceServer};
use crate::wire::{self, pb};

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// A group has a handful of members; more hands at the door are strangers.
const HANDSHAKES_MAX: usize = 64;
/// How long requests in flight may take to end when the node stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);
const KEEPALIVE: Duration = Duration::from_secs(5);

type Frame = Request<pb::RaftFrame>;
type Answer = Result<Response<pb::RaftFrame>, Status>;

/// What the service needs of its node.
#[derive(Clone)]
pub(crate) struct Services {
    pub(crate) id: NodeId,
    pub(crate) raft: Raft,
    pub(crate) machine: Machine,
    pub(crate) freshness: Arc<Freshness>,
    pub(crate) desk: Arc<Desk>,
}

fn decode<M: Message + Default>(frame: pb::RaftFrame) -> Result<M, Status> {
    wire::decode(frame.payload).map_err(|error| receive::malformed(&error))
}

fn answer(message: &impl Message) -> Answer {
    Ok(Response::new(pb::RaftFrame {
        payload: wire::encode(message).into(),
    }))
}

fn removed(peer: NodeId) -> Status {
    Status::permission_denied(format!("node {peer} was removed from the control plane"))
}

pub(super) fn stopped(fatal: &Fatal<crate::raft::TypeConfig>) -> Status {
    Status::unavailable(format!("the node has stopped: {fatal}"))
}

fn raft_stopped(error: RaftError<crate::raft::TypeConfig>) -> Status {
    stopped(&error.unwrap_fatal())
}

/// The peer that sent `request`.
fn sender_of<T>(request: &Request<T>) -> Result<NodeId, Status> {
    let PeerId(peer) = request
        .extensions()
        .get::<PeerId>()
        .copied()
        .ok_or_else(|| Status::internal("the connection has no peer"))?;
    Ok(peer)
}

impl Services {
    /// The peer that sent `request`. One that was removed is sent away; its
    /// certificate may be good for long. Connections are not: it must hear why.
    ///
    /// Raft's own messages ask for no more: a node that was down while the
    /// membership changed knows neither its new leader nor the candidates, and
    /// a node that joins knows nobody.
    fn peer_of<T>(&self, request: &Request<T>) -> Result<NodeId, Status> {
        let peer = sender_of(request)?;
        if self.machine.roster().is_former(peer) {
            return Err(removed(peer));
        }
        Ok(peer)
    }

    /// The same for requests beside Raft's own: their sender must be a member,
    /// unless this node still waits to be told who is.
    fn member_of<T>(&self, request: &Request<T>) -> Result<NodeId, Status> {
        let peer = self.peer_of(request)?;
        let members = self.raft.voter_ids().chain(self.raft.learner_ids());
        let members: BTreeSet<NodeId> = members.collect();
        if members.is_empty() || members.contains(&peer) {
            return Ok(peer);
        }
        Err(Status::permission_denied(format!(
            "node {peer} is no member of the control plane"
        )))
    }

    /// A message of Raft itself.
    fn open<M: Message + Default>(&self, request: Frame) -> Result<M, Status> {
        self.peer_of(&request)?;
        decode(request.into_inner())
    }

    /// An address may have been given to another node since the sender
    /// learned it.
    fn for_us(&self, to: u64) -> Result<(), Status> {
        if to == self.id.0 {
            return Ok(());
        }
        Err(Status::failed_precondition(format!(
            "this is node {}, not node {to}",
            self.id
        )))
    }

    async fn read_index_reply(&self) -> Result<pb::RaftReadReply, Status> {
        use pb::raft_read_reply::Outcome;
        let outcome = match self.raft.get_read_linearizer(ReadPolicy::ReadIndex).await {
            Ok(linearizer) => {
                Outcome::ReadyAt(wire::log_id_message(linearizer.read_log_id().log_id()))
            }
            Err(RaftError::Fatal(fatal)) => return Err(stopped(&fatal)),
            Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(forward))) => {
                let leader = forward.leader_id.zip(forward.leader_node);
                Outcome::NotLeader(pb::RaftNotLeader {
                    leader: leader.map(|(id, member)| wire::member_message(id, &member)),
                })
            }
            Err(RaftError::APIError(LinearizableReadError::QuorumNotEnough(_))) => {
                Outcome::NoQuorum(pb::RaftBlank {})
            }
        };
        Ok(pb::RaftReadReply {
            outcome: Some(outcome),
        })
    }
}

#[tonic::async_trait]
impl RaftService for Services {
    async fn append(&self, request: Frame) -> Answer {
        let message: pb::RaftAppendRequest = self.open(request)?;
        self.for_us(message.to)?;
        let arrived = Instant::now();
        let committed = message.committed.as_ref().map_or(0, |id| id.index + 1);
        let request =
            exchange::append_request(message).map_err(|error| receive::malformed(&error))?;
        let reply = self.raft.append_entries(request).await;
        let reply = reply.map_err(raft_stopped)?;
        if reply.is_success() {
            let applied = *self.machine.applied().borrow();
            self.freshness.heard(arrived, committed, applied);
        }
        answer(&exchange::append_reply_message(&reply))
    }

    async fn vote(&self, request: Frame) -> Answer {
        let message: pb::RaftVoteRequest = self.open(request)?;
        self.for_us(message.to)?;
        let request =
            exchange::vote_request(&message).map_err(|error| receive::malformed(&error))?;
        let reply = self.raft.vote(request).await.map_err(raft_stopped)?;
        answer(&exchange::vote_reply_message(&reply))
    }

    async fn pre_vote(&self, request: Frame) -> Answer {
        let message: pb::RaftVoteRequest = self.open(request)?;
        self.for_us(message.to)?;
        let request =
            exchange::vote_request(&message).map_err(|error| receive::malformed(&error))?;
        let reply = self.raft.pre_vote(request).await.map_err(raft_stopped)?;
        answer(&exchange::vote_reply_message(&reply))
    }

    async fn transfer_leader(&self, request: Frame) -> Answer {
        let message: pb::RaftTransferRequest = self.open(request)?;
        self.for_us(message.to)?;
        let request =
            exchange::transfer_request(&message).map_err(|error| receive::malformed(&error))?;
        let reply = self.raft.handle_transfer_leader(request).await;
        let reply = reply.map_err(|fatal| stopped(&fatal))?;
        answer(&exchange::transfer_reply_message(&reply))
    }

    async fn snapshot_offset(&self, request: Frame) -> Answer {
        let message: pb::RaftSnapshotOffsetRequest = self.open(request)?;
        self.for_us(message.to)?;
        let hash = receive::hash(&message.blake3).map_err(|error| receive::malformed(&error))?;
        let offset = receive::offset(self.machine.directory(), hash).await;
        answer(&pb::RaftSnapshotOffsetReply { offset })
    }

    async fn snapshot(&self, request: Request<Streaming<pb::RaftFrame>>) -> Answer {
        self.peer_of(&request)?;
        let mut frames = request.into_inner();
        let announced = receive::announced(&mut frames).await?;
        self.for_us(announced.to)?;
        let dir = self.machine.directory();
        let (incoming, file) = receive::receive(dir, &announced, &mut frames).await?;
        let snapshot = Snapshot {
            meta: announced.meta,
            snapshot: file,
        };
        let raft = self.raft.clone();
        // In a task of its own: a sender that hangs up must not take the file
        // away while it is being installed.
        let installing = tokio::spawn(async move {
            let reply = raft.install_full_snapshot(announced.vote, snapshot).await;
            drop(incoming);
            reply
        });
        let reply = installing
            .await
            .map_err(|error| Status::internal(error.to_string()))?
            .map_err(|fatal| stopped(&fatal))?;
        answer(&pb::RaftSnapshotReply {
            vote: Some(wire::vote_message(&reply.vote)),
        })
    }

    async fn read_index(&self, request: Frame) -> Answer {
        self.member_of(&request)?;
        let message: pb::RaftReadRequest = decode(request.into_inner())?;
        self.for_us(message.to)?;
        answer(&self.read_index_reply().await?)
    }

    async fn propose(&self, request: Frame) -> Answer {
        self.member_of(&request)?;
        let message: pb::RaftProposeRequest = decode(request.into_inner())?;
        self.for_us(message.to)?;
        answer(&self.desk.propose(&self.raft, message).await?)
    }

    async fn propose_many(&self, request: Frame) -> Answer {
        self.member_of(&request)?;
        let message: pb::RaftProposeManyRequest = decode(request.into_inner())?;
        self.for_us(message.to)?;
        answer(&self.desk.propose_many(&self.raft, message).await?)
    }

    async fn call(&self, request: Frame) -> Answer {
        // A node that joins is no member yet, and calls to be let in. One that
        // was removed while it was down calls to be told.
        let peer = sender_of(&request)?;
        if self.machine.roster().is_former(peer) {
            return answer(&desk::refused(NODE_REMOVED, removed(peer).message()));
        }
        let message: pb::RaftCallRequest = decode(request.into_inner())?;
        self.for_us(message.to)?;
        answer(&self.desk.call(peer, message).await?)
    }
}

/// The listener of a node.
pub(crate) struct Listener {
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl Listener {
    /// Ends it; requests in flight get a moment.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        let mut serving = self.serving;
        if tokio::time::timeout(DRAIN_TIMEOUT, &mut serving)
            .await
            .is_err()
        {
            serving.abort();
        }
    }
}

/// Serves peers on `listener` until it is stopped.
pub(crate) fn serve(listener: TcpListener, tls: PeerTls, services: Services) -> Listener {
    let stop = CancellationToken::new();
    let (accepted, incoming) = mpsc::channel(HANDSHAKES_MAX);
    let accepting = accept(listener, tls, accepted, stop.clone());
    let service = RaftServiceServer::new(services)
        .max_decoding_message_size(FRAME_BYTES_MAX)
        .max_encoding_message_size(usize::MAX);
    let shutdown = stop.clone().cancelled_owned();
    let serving = tokio::spawn(async move {
        tokio::spawn(accepting);
        let served = tonic::transport::Server::builder()
            .http2_keepalive_interval(Some(KEEPALIVE))
            .http2_keepalive_timeout(Some(KEEPALIVE))
            .add_service(service)
            .serve_with_incoming_shutdown(ReceiverStream::new(incoming), shutdown)
            .await;
        if let Err(error) = served {
            tracing::error!("the listener for other nodes ended: {error}");
        }
    });
    Listener { stop, serving }
}

type Accepted = Result<Admitted, std::io::Error>;

async fn accept(
    listener: TcpListener,
    tls: PeerTls,
    accepted: mpsc::Sender<Accepted>,
    stop: CancellationToken,
) {
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    loop {
        let (stream, peer) = tokio::select! {
            () = stop.cancelled() => return,
            connection = listener.accept() => match connection {
                Ok(connection) => connection,
                Err(error) => {
                    // Out of file descriptors, most likely: it passes.
                    tracing::warn!("failed to accept a connection of another node: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        let Ok(permit) = Arc::clone(&handshakes).acquire_owned().await else {
            return;
        };
        let (tls, accepted) = (tls.clone(), accepted.clone());
        tokio::spawn(async move {
            let _permit = permit;
            match tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await {
                // A listener that has stopped takes no more.
                Ok(Ok(stream)) => drop(accepted.send(Ok(stream)).await),
                Ok(Err(error)) => {
                    tracing::warn!(%peer, "refused a connection of another node: {error}");
                }
                Err(_) => tracing::warn!(%peer, "a TLS handshake took too long"),
            }
        });
    }
}
