//! Keeps the node's own certificate far from its end.

use std::sync::Arc;
use std::time::Duration;

use super::identity::{NodeFile, Paths};
use crate::app::App;
use crate::secure::NodeIdentity;

/// How long is waited after a failure, at most.
const AGAIN: Duration = Duration::from_secs(3600);

pub(super) async fn keep_fresh(
    app: Arc<App>,
    paths: Paths,
    node: NodeFile,
    identity: Arc<NodeIdentity>,
) {
    let lasts = app.config.access.node_certificate.get();
    // A third of it is left then; after a failure there is time for ten tries.
    let (every, again) = (lasts * 2 / 3, AGAIN.min(lasts / 30));
    let mut wait = every;
    loop {
        tokio::select! {
            () = app.stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {},
        }
        match paths.renew_certificate(&app.authority, &node, &app.config) {
            Ok(certificate) => {
                identity.replace(certificate);
                tracing::info!("the node's certificate was renewed");
                wait = every;
            }
            Err(error) => {
                tracing::error!("the node's certificate could not be renewed: {error}");
                wait = again;
            }
        }
    }
}
