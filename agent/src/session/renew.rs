//! Renewing the agent's certificate long before it ends.
//!
//! The key stays; only the certificate is replaced, in one write. The control
//! plane lets the old one count until the new one was shown, so that a lost
//! answer locks nobody out.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use holdfast_proto::v1;
use jiff::Timestamp;
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use tokio_util::sync::CancellationToken;

use super::connect::connect;
use super::nodes::Nodes;
use crate::failure::chain;
use crate::identity::{Identity, SharedIdentity};
use crate::status;

/// How often at most it is looked whether it is time.
const LOOK: Duration = Duration::from_secs(3600);
/// After a renewal that did not work.
const AGAIN: Duration = Duration::from_secs(60);

/// Renews `identity`, which is kept in `data`, until `stop` fires.
pub async fn keep_fresh(
    identity: SharedIdentity,
    nodes: Arc<Nodes>,
    data: PathBuf,
    stop: CancellationToken,
) {
    let mut wait = Duration::ZERO;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {},
        }
        let now = identity.get();
        if now.should_renew(Timestamp::now()) {
            match renew(&now, &nodes).await {
                Ok(next) => {
                    if let Err(error) =
                        Identity::write_certificates(&data, &next.certificate, &next.ca)
                    {
                        // The new one counts as long as this process lives.
                        tracing::warn!(%error, "the renewed certificate cannot be kept");
                    }
                    tracing::info!(expires_at = ?next.expires_at(), "the certificate is renewed");
                    identity.replace(next);
                }
                Err(reason) => tracing::warn!(reason, "the certificate is not renewed yet"),
            }
        }
        wait = pause(&identity.get(), Timestamp::now());
    }
}

/// How long until it is looked again: often enough for a certificate of any
/// length.
fn pause(identity: &Identity, now: Timestamp) -> Duration {
    let left = identity
        .expires_at()
        .map_or(Duration::ZERO, |end| end.duration_since(now).unsigned_abs());
    let most = if identity.should_renew(now) {
        AGAIN
    } else {
        LOOK
    };
    (left / 4).clamp(Duration::from_secs(1), most)
}

async fn renew(now: &Identity, nodes: &Nodes) -> Result<Identity, String> {
    let key = KeyPair::from_pem(now.key.expose()).map_err(|error| chain(&error))?;
    let request = CertificateParams::new(Vec::new())
        .and_then(|mut parameters| {
            parameters.distinguished_name = DistinguishedName::new();
            parameters.serialize_request(&key)?.pem()
        })
        .map_err(|error| chain(&error))?;
    let mut reasons = Vec::new();
    for server in nodes.all() {
        let asked = async {
            let mut client = connect(&server, now).await?;
            let csr_pem = request.clone();
            let answer = client.renew(v1::RenewRequest { csr_pem }).await;
            answer.map_err(|status| status::failure(&status, &server).to_string())
        };
        match asked.await {
            Ok(answer) => {
                let answer = answer.into_inner();
                let next = Identity {
                    key: now.key.clone(),
                    certificate: answer.certificate_pem,
                    ca: answer.ca_pem,
                };
                return match next.expires_at() {
                    Some(_) => Ok(next),
                    None => Err(format!("{server} gave no certificate")),
                };
            }
            Err(reason) => reasons.push(format!("{server}: {reason}")),
        }
    }
    Err(reasons.join("; "))
}
