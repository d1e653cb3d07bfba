//! The lanes of an agent: one for each server that pushes.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use super::Pushed;
use super::lane::{Destination, Lane};

/// Every lane of this process.
#[derive(Default)]
pub struct Lanes {
    lanes: Mutex<Vec<Arc<Lane>>>,
}

impl Lanes {
    /// The lane of a server, begun anew when it leads elsewhere by now.
    pub(super) fn lane(
        &self,
        to: Destination,
        pushed: Option<mpsc::UnboundedSender<Pushed>>,
    ) -> Arc<Lane> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |lane: &&Arc<Lane>| {
            let heard = match (&lane.pushed, &pushed) {
                (None, None) => true,
                (Some(known), Some(given)) => known.same_channel(given),
                _ => false,
            };
            heard && lane.leads_to(&to)
        };
        if let Some(lane) = lanes.iter().find(same) {
            return Arc::clone(lane);
        }
        lanes.retain(|lane| !lane.is_of(&to.data_directory));
        let lane = Lane::new(to, pushed);
        lanes.push(Arc::clone(&lane));
        lane
    }
}

impl fmt::Debug for Lanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lanes")
    }
}
