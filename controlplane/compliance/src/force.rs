//! A promise while it is in force, with what is asked of it again and again.

use jiff::Timestamp;

use crate::promise::Promise;
use crate::span::after;

/// A promise in force.
#[derive(Debug, Clone)]
pub(crate) struct InForce {
    /// The promise.
    pub(crate) promise: Promise,
    /// Since when.
    pub(crate) since: Timestamp,
    /// Since when something is promised without a break.
    pub(crate) assigned: Timestamp,
    /// From when on it counts as violated to have nothing to restore from.
    pub(crate) unprotected_from: Timestamp,
    /// The number of each place's region.
    pub(crate) regions: Vec<Option<usize>>,
    /// How many regions there are.
    pub(crate) region_count: usize,
}

impl InForce {
    pub(crate) fn new(promise: Promise, since: Timestamp, assigned: Timestamp) -> Self {
        let mut names: Vec<&str> = Vec::new();
        let mut regions = Vec::with_capacity(promise.places.len());
        for place in &promise.places {
            regions.push(place.region.as_deref().map(|region| {
                let known = names.iter().position(|name| *name == region);
                known.unwrap_or_else(|| {
                    names.push(region);
                    names.len() - 1
                })
            }));
        }
        let region_count = names.len();
        let unprotected_from = after(assigned, promise.grace());
        Self {
            promise,
            since,
            assigned,
            unprotected_from,
            regions,
            region_count,
        }
    }
}
