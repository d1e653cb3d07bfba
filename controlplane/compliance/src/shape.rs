//! The course of a scope's exposure between two facts, piece by piece.

use std::sync::Arc;
use std::time::Duration;

use holdfast_types::RpoScope;
use jiff::Timestamp;

use crate::claim::Stretch;
use crate::force::InForce;
use crate::reach::Reach;
use crate::scope::select;
use crate::span::after;

/// What the exposure does in a piece.
#[derive(Debug, Clone)]
pub(crate) enum Shape {
    /// It is the time since then.
    Rising(Timestamp),
    /// A stretch goes on.
    Level(Arc<Stretch>),
    /// There is nothing to restore from.
    Unbounded,
}

/// A piece.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    pub(crate) from: Timestamp,
    pub(crate) until: Timestamp,
    pub(crate) shape: Shape,
}

/// The exposure of a scope at a moment; `None` when it has no bound.
pub(crate) fn exposure(
    scope: RpoScope,
    force: &InForce,
    reaches: &[Reach],
    at: Timestamp,
) -> Option<Duration> {
    if scope == RpoScope::Any {
        // Asked more often than all else, and simpler.
        return reaches.iter().filter_map(|reach| reach.exposure(at)).min();
    }
    let place = deciding(scope, force, reaches, at)?;
    reaches.get(place)?.exposure(at)
}

/// The place whose exposure is the scope's.
pub(crate) fn deciding(
    scope: RpoScope,
    force: &InForce,
    reaches: &[Reach],
    at: Timestamp,
) -> Option<usize> {
    if let ([_], RpoScope::Any) = (reaches, scope) {
        return Some(0);
    }
    let heights = reaches.iter().map(|reach| reach.exposure(at));
    let heights: Vec<Duration> = heights
        .map(|height| height.unwrap_or(Duration::MAX))
        .collect();
    select(scope, force, &heights)
}

/// From when on the exposure of a scope is above `height`; it does not fall while
/// no fact changes.
pub(crate) fn above(
    scope: RpoScope,
    force: &InForce,
    reaches: &[Reach],
    height: Duration,
) -> Timestamp {
    if scope == RpoScope::Any {
        let crossings = reaches.iter().map(|reach| reach.above(height));
        return crossings.max().unwrap_or(Timestamp::MIN);
    }
    // The later it is above, the better.
    let crossings = reaches
        .iter()
        .map(|reach| std::cmp::Reverse(reach.above(height)));
    let crossings: Vec<_> = crossings.collect();
    let place = select(scope, force, &crossings);
    place.map_or(Timestamp::MIN, |place| crossings[place].0)
}

/// The pieces from one moment to another.
pub(crate) fn pieces(
    scope: RpoScope,
    force: &InForce,
    reaches: &[Reach],
    (from, until): (Timestamp, Timestamp),
) -> Vec<Piece> {
    let mut bends: Vec<Timestamp> = vec![from, until];
    for level in reaches.iter().filter_map(|reach| reach.level.as_ref()) {
        for frontier in reaches.iter().filter_map(|reach| reach.frontier) {
            let bend = after(frontier, level.peak);
            if from < bend && bend < until {
                bends.push(bend);
            }
        }
    }
    bends.sort_unstable();
    bends.dedup();
    let mut pieces = Vec::with_capacity(bends.len());
    for pair in bends.windows(2) {
        let &[from, until] = pair else { continue };
        // At its ends two places may be equally high; inside, their order is one.
        let middle = after(from, crate::span::between(from, until) / 2);
        let shape = deciding(scope, force, reaches, middle)
            .and_then(|place| reaches.get(place))
            .map_or(Shape::Unbounded, |reach| shape(reach, middle));
        pieces.push(Piece { from, until, shape });
    }
    pieces
}

fn shape(reach: &Reach, at: Timestamp) -> Shape {
    let Some(frontier) = reach.frontier else {
        return Shape::Unbounded;
    };
    match &reach.level {
        Some(stretch) if after(frontier, stretch.peak) <= at => Shape::Level(stretch.clone()),
        _ => Shape::Rising(frontier),
    }
}
