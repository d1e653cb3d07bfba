//! Where a role holds.

use crate::Name;
use crate::resource::{Labels, selects};

/// The clusters that a role holds for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Those of a fleet.
    Fleet(Name),
    /// Those with all of these labels. Without labels it is everything there is,
    /// also what belongs to no cluster.
    Selector(Labels),
}

/// Where a cluster is, as scopes see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// Its fleet.
    pub fleet: &'a Name,
    /// Its labels.
    pub labels: &'a Labels,
}

impl Scope {
    /// Whether it is everything.
    pub fn is_everything(&self) -> bool {
        matches!(self, Self::Selector(selector) if selector.is_empty())
    }

    /// Whether a cluster is in it.
    pub fn covers(&self, place: Place<'_>) -> bool {
        match self {
            Self::Fleet(fleet) => fleet == place.fleet,
            Self::Selector(selector) => selects(selector, place.labels),
        }
    }
}

/// What somebody sees of what belongs to clusters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Visible {
    /// All of it.
    #[default]
    Everything,
    /// What belongs to clusters in one of these; nothing when there is none.
    Only(Vec<Scope>),
}

impl Visible {
    /// Whether it is all.
    pub const fn is_everything(&self) -> bool {
        matches!(self, Self::Everything)
    }

    /// Whether this cluster is seen.
    pub fn sees(&self, place: Place<'_>) -> bool {
        match self {
            Self::Everything => true,
            Self::Only(scopes) => scopes.iter().any(|scope| scope.covers(place)),
        }
    }
}
