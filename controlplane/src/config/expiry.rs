//! `[expiry]`: what policies keep no longer.

use holdfast_types::Span;
use serde::{Deserialize, Serialize};

/// What policies keep no longer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Expiry {
    /// How long what is condemned stays where it is before it is deleted.
    pub grace: Span,
    /// How often it is looked for.
    pub every: Span,
}

impl Default for Expiry {
    fn default() -> Self {
        Self {
            grace: Span::from_secs(24 * 3600),
            every: Span::from_secs(3600),
        }
    }
}

impl Expiry {
    pub(super) fn problem(&self) -> Option<String> {
        let (second, year) = (Span::from_secs(1), Span::from_secs(366 * 24 * 3600));
        if self.grace < second || self.grace > year {
            return Some("expiry.grace: 1s to 366d".to_owned());
        }
        if self.every < second {
            return Some("expiry.every: at least 1s".to_owned());
        }
        None
    }
}
