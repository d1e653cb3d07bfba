//! Keeps the node's own certificate far from its end.

use std::sync::Arc;
use std::time::Duration;

use super::identity::{NodeFile, Paths};
use crate::app::App;
use crate::secure::NodeIdentity;

/// A certificate is good for 90 days.
const EVERY: Duration = Duration::from_secs(30 * 24 * 3600);
const AGAIN: Duration = Duration::from_secs(3600);

pub(super) async fn keep_fresh(
    app: Arc<App>,
    paths: Paths,
    node: NodeFile,
    identity: Arc<NodeIdentity>,
) {
    let mut wait = EVERY;
    loop {
        tokio::select! {
            () = app.stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {},
        }
        match paths.renew_certificate(&app.authority, &node, &app.config) {
            Ok(certificate) => {
                identity.replace(certificate);
                wait = EVERY;
            }
            Err(error) => {
                tracing::error!("the node's certificate could not be renewed: {error}");
                wait = AGAIN;
            }
        }
    }
}
