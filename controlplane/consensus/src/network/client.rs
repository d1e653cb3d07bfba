//! The calling side: openraft's network, one peer at a time.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, stream};
use hyper_util::rt::TokioIo;
use openraft::OptionalSend;
use openraft::alias::SnapshotOf;
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{RPCOption, RaftNetworkFactory, RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use prost::Message;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tower::service_fn;

use super::exchange;
use super::request::Lanes;
use super::tls::{PeerTls, TlsError};
use super::{APPEND_BYTES_TARGET, CHUNK_BYTES, FRAME_BYTES_MAX};
use crate::machine::SnapshotFile;
use crate::raft::{Entry, EntryPayload, LogId, Member, NodeId, TypeConfig, Vote};
use crate::wire::pb::raft_service_client::RaftServiceClient;
use crate::wire::{self, WireError, pb};

/// Entries wait for the follower's fsync, so they get longer than a heartbeat.
const APPEND_TIMEOUT_MIN: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// A peer knows at once what it has of a snapshot.
const OFFSET_TIMEOUT: Duration = Duration::from_secs(5);
const KEEPALIVE: Duration = Duration::from_secs(3);

/// Makes the connections to the other members.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    tls: Option<PeerTls>,
    pub(super) lanes: Lanes,
    places: Places,
}

/// Where members are now. The Raft library makes a client for as long as it
/// leads, and asks for no other when a member moves.
#[derive(Debug, Clone, Default)]
struct Places(Arc<Mutex<BTreeMap<NodeId, String>>>);

impl Places {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeId, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Network {
    /// Without TLS there are no peers: the node runs alone.
    pub(crate) fn new(tls: Option<PeerTls>) -> Self {
        Self {
            tls,
            lanes: Lanes::default(),
            places: Places::default(),
        }
    }

    /// A connection to `member`, made when it is first used.
    pub(super) fn peer(&self, id: NodeId, member: &Member) -> Peer {
        let address = member.raft.clone();
        self.peer_at(id, move || address.clone())
    }

    /// A connection to a member, made anew where it is by then.
    fn peer_at(&self, id: NodeId, place: impl Fn() -> String + Send + 'static) -> Peer {
        let client = self.tls.clone().map(|tls| {
            RaftServiceClient::new(channel(tls, place))
                .max_decoding_message_size(FRAME_BYTES_MAX)
                .max_encoding_message_size(usize::MAX)
        });
        Peer { id, client }
    }

    /// A member is reached there from now on, also by the clients that are.
    pub(crate) fn moved(&self, id: NodeId, member: &Member) {
        self.places.lock().insert(id, member.raft.clone());
    }
}

fn channel(tls: PeerTls, place: impl Fn() -> String + Send + 'static) -> Channel {
    let connect = service_fn(move |_: tonic::transport::Uri| {
        let (tls, address) = (tls.clone(), place());
        async move { Ok::<_, TlsError>(TokioIo::new(tls.connect(&address).await?)) }
    });
    // The connector knows the address; this is only the name of the origin.
    Endpoint::from_static("http://raft.holdfast")
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE)
        .keep_alive_while_idle(true)
        .connect_with_connector_lazy(connect)
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Peer;

    async fn new_client(&mut self, target: NodeId, node: &Member) -> Peer {
        // What the library knows is the newest membership there is.
        self.moved(target, node);
        let (places, address) = (self.places.clone(), node.raft.clone());
        self.peer_at(target, move || {
            places.lock().get(&target).unwrap_or(&address).clone()
        })
    }
}

/// One other member.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(super) id: NodeId,
    client: Option<RaftServiceClient<Channel>>,
}

/// Why a call came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RpcError {
    #[error("this node was started without certificates for its peers")]
    Alone,
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error("it was not this request's turn within {0:?}: too many are under way")]
    Crowded(Duration),
    #[error("{}: {}", .0.code(), .0.message())]
    Status(#[source] Box<Status>),
    #[error("the answer cannot be read")]
    Answer(#[source] WireError),
}

impl From<RpcError> for RPCError<TypeConfig> {
    fn from(error: RpcError) -> Self {
        let unreachable = match &error {
            RpcError::Alone => true,
            RpcError::Status(status) => {
                matches!(
                    status.code(),
                    Code::Unavailable | Code::FailedPrecondition | Code::PermissionDenied
                )
            }
            RpcError::Timeout(_) | RpcError::Crowded(_) | RpcError::Answer(_) => false,
        };
        if unreachable {
            Self::Unreachable(Unreachable::new(&error))
        } else {
            Self::Network(NetworkError::new(&error))
        }
    }
}

impl RpcError {
    /// Whether the request certainly did nothing: no connection came about,
    /// or the peer turned it away unseen.
    pub(crate) fn is_unsent(&self) -> bool {
        match self {
            Self::Alone | Self::Crowded(_) => true,
            Self::Timeout(_) | Self::Answer(_) => false,
            Self::Status(status) => was_turned_away(status.code()) || no_connection(status),
        }
    }

    /// Whether the peer's program does not have the method.
    pub(crate) fn is_unknown_method(&self) -> bool {
        matches!(self, Self::Status(status) if status.code() == Code::Unimplemented)
    }
}

/// With these a node answers what it has not begun: it has no such method, it
/// is another node, the frame cannot be read, the sender is no member.
fn was_turned_away(code: Code) -> bool {
    matches!(
        code,
        Code::Unimplemented
            | Code::FailedPrecondition
            | Code::InvalidArgument
            | Code::PermissionDenied
    )
}

/// Whether the status says that no connection came about. One that broke
/// later has no such source.
fn no_connection(status: &Status) -> bool {
    let mut source = std::error::Error::source(status);
    while let Some(error) = source {
        if error.is::<tonic::ConnectError>() || error.is::<TlsError>() {
            return true;
        }
        source = error.source();
    }
    false
}

/// Calls one method of the service with a frame and reads the frame it gives.
macro_rules! call {
    ($peer:expr, $method:ident, $message:expr, $timeout:expr) => {{
        let mut client = $peer.client()?;
        let frame = frame(&$message);
        answered($timeout, async move { client.$method(frame).await }).await
    }};
}

pub(super) fn frame(message: &impl Message) -> pb::RaftFrame {
    pb::RaftFrame {
        payload: wire::encode(message).into(),
    }
}

pub(super) async fn answered<M: Message + Default>(
    timeout: Duration,
    call: impl Future<Output = Result<tonic::Response<pb::RaftFrame>, Status>>,
) -> Result<M, RpcError> {
    let answer = tokio::time::timeout(timeout, call)
        .await
        .map_err(|_| RpcError::Timeout(timeout))?
        .map_err(|status| RpcError::Status(Box::new(status)))?;
    wire::decode(answer.into_inner().payload).map_err(RpcError::Answer)
}

impl Peer {
    pub(super) fn client(&self) -> Result<RaftServiceClient<Channel>, RpcError> {
        self.client.clone().ok_or(RpcError::Alone)
    }

    async fn ask_for_vote(
        &self,
        request: &VoteRequest<TypeConfig>,
        pre: bool,
        timeout: Duration,
    ) -> Result<VoteResponse<TypeConfig>, RpcError> {
        let message = exchange::vote_message(self.id, request);
        let reply: pb::RaftVoteReply = if pre {
            call!(self, pre_vote, message, timeout)?
        } else {
            call!(self, vote, message, timeout)?
        };
        exchange::vote_reply(&reply).map_err(RpcError::Answer)
    }

    async fn send_entries(
        &self,
        request: AppendEntriesRequest<TypeConfig>,
        timeout: Duration,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RpcError> {
        let mut request = request;
        let cut = cut(&mut request.entries);
        let message = exchange::append_message(self.id, &request);
        let reply: pb::RaftAppendReply = call!(self, append, message, timeout)?;
        let reply = exchange::append_reply(reply).map_err(RpcError::Answer)?;
        Ok(match (reply, cut) {
            (AppendEntriesResponse::Success, Some(last)) => {
                AppendEntriesResponse::PartialSuccess(Some(last))
            }
            (reply, _) => reply,
        })
    }

    async fn send_snapshot(
        &self,
        vote: Vote,
        snapshot: SnapshotOf<TypeConfig, SnapshotFile>,
        timeout: Duration,
    ) -> Result<SnapshotResponse<TypeConfig>, RpcError> {
        let mut client = self.client()?;
        let offset = self.snapshot_offset(&snapshot.snapshot).await;
        let header = pb::RaftSnapshotHeader {
            to: self.id.0,
            vote: Some(wire::vote_message(&vote)),
            last_log: snapshot.meta.last_log_id.as_ref().map(wire::log_id_message),
            membership: Some(wire::stored_membership_message(
                &snapshot.meta.last_membership,
            )),
            bytes: snapshot.snapshot.bytes,
            blake3: Bytes::copy_from_slice(snapshot.snapshot.hash.as_bytes()),
            offset,
        };
        let parts = parts(header, snapshot.snapshot);
        let sending = async move { client.snapshot(parts).await };
        let reply: pb::RaftSnapshotReply = answered(timeout, sending).await?;
        let vote = wire::need(reply.vote, "the vote").map_err(RpcError::Answer)?;
        Ok(SnapshotResponse::new(wire::vote(&vote)))
    }

    /// From where on the peer still needs a snapshot. One that does not say
    /// needs all of it.
    async fn snapshot_offset(&self, snapshot: &SnapshotFile) -> u64 {
        let message = pb::RaftSnapshotOffsetRequest {
            to: self.id.0,
            blake3: Bytes::copy_from_slice(snapshot.hash.as_bytes()),
        };
        let ask = async {
            let reply: pb::RaftSnapshotOffsetReply =
                call!(self, snapshot_offset, message, OFFSET_TIMEOUT)?;
            Ok::<_, RpcError>(reply.offset)
        };
        match ask.await {
            Ok(offset) if offset <= snapshot.bytes => offset,
            Ok(_) => 0,
            Err(error) => {
                tracing::debug!(node = %self.id, "a snapshot is sent from its beginning: {error}");
                0
            }
        }
    }
}

/// Cuts a batch to about the size one append may have. Returns the last entry
/// that is left, if anything was cut off.
fn cut(entries: &mut Vec<Entry>) -> Option<LogId> {
    let mut bytes = 0;
    let fitting = entries.iter().take_while(|entry| {
        let fits = bytes < APPEND_BYTES_TARGET;
        if let EntryPayload::Normal(payload) = &entry.payload {
            bytes += payload.0.len();
        }
        fits
    });
    let count = fitting.count();
    if count == entries.len() {
        return None;
    }
    entries.truncate(count);
    entries.last().map(|entry| entry.log_id)
}

/// The frames of a snapshot, read from its file as the receiver takes them.
fn parts(
    header: pb::RaftSnapshotHeader,
    file: SnapshotFile,
) -> impl Stream<Item = pb::RaftFrame> + Send + 'static {
    use pb::raft_snapshot_part::Part;
    let part = |part| pb::RaftSnapshotPart { part: Some(part) };
    let offset = header.offset;
    stream::unfold(
        Some((Some(header), file, offset)),
        move |state| async move {
            let (header, file, offset) = state?;
            if let Some(header) = header {
                let first = frame(&part(Part::Header(header)));
                return Some((first, Some((None, file, offset))));
            }
            let reader = file.clone();
            let read =
                tokio::task::spawn_blocking(move || reader.read_at(offset, CHUNK_BYTES)).await;
            match read.map_err(io::Error::other).and_then(|read| read) {
                Ok(chunk) if chunk.is_empty() => None,
                Ok(chunk) => {
                    let next = offset + chunk.len() as u64;
                    let chunk = frame(&part(Part::Chunk(chunk.into())));
                    Some((chunk, Some((None, file, next))))
                }
                Err(error) => {
                    // The receiver sees too few bytes and refuses the snapshot.
                    tracing::error!(path = %file.path.display(), "failed to read a snapshot: {error}");
                    None
                }
            }
        },
    )
}

impl RaftNetworkV2<TypeConfig> for Peer {
    type SnapshotData = SnapshotFile;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RPCError<TypeConfig>> {
        let timeout = if request.entries.is_empty() {
            option.hard_ttl()
        } else {
            option.hard_ttl().max(APPEND_TIMEOUT_MIN)
        };
        Ok(self.send_entries(request, timeout).await?)
    }

    async fn vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        let timeout = option.hard_ttl();
        Ok(self.ask_for_vote(&request, false, timeout).await?)
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        let timeout = option.hard_ttl();
        Ok(self.ask_for_vote(&request, true, timeout).await?)
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: SnapshotOf<TypeConfig, SnapshotFile>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let sending = self.send_snapshot(vote, snapshot, option.hard_ttl());
        tokio::select! {
            closed = cancel => Err(closed.into()),
            sent = sending => sent.map_err(|error| RPCError::from(error).into()),
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, RPCError<TypeConfig>> {
        let message = exchange::transfer_message(self.id, &request);
        let timeout = option.hard_ttl();
        let transfer = async {
            let reply: pb::RaftTransferReply = call!(self, transfer_leader, message, timeout)?;
            exchange::transfer_reply(reply).map_err(RpcError::Answer)
        };
        Ok(transfer.await?)
    }
}
