//! Dialling one node of the control plane.

use std::time::Duration;

use holdfast_proto::v1::agent_service_client::AgentServiceClient;
use tonic::transport::{Channel, Endpoint};

use crate::failure::chain;
use crate::identity::Identity;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A peer that does not answer pings is gone, whatever TCP believes.
const PING_EVERY: Duration = Duration::from_secs(10);
const PING_TIMEOUT: Duration = Duration::from_secs(5);
/// Assignments of many restores carry their plans.
const MESSAGE_MAX: usize = 32 << 20;

/// Connects to `server`, which must show a certificate of our CA.
pub(super) async fn connect(
    server: &str,
    identity: &Identity,
) -> Result<AgentServiceClient<Channel>, String> {
    let endpoint = Endpoint::from_shared(server.to_owned())
        .and_then(|endpoint| endpoint.tls_config(identity.tls()))
        .map_err(|error| chain(&error))?
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIMEOUT)
        .keep_alive_while_idle(true);
    // `connect_timeout` ends with TCP; a peer may also be silent in TLS.
    let connected = tokio::time::timeout(CONNECT_TIMEOUT * 2, endpoint.connect()).await;
    let channel = connected
        .map_err(|_| "it did not answer in time".to_owned())?
        .map_err(|error| chain(&error))?;
    let client = AgentServiceClient::new(channel);
    Ok(client
        .max_decoding_message_size(MESSAGE_MAX)
        .max_encoding_message_size(MESSAGE_MAX))
}
