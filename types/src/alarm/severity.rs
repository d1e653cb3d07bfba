//! How bad it is.

use serde::{Deserialize, Serialize};

use crate::backup::as_word;

/// How bad an alarm is; the later in this list, the worse.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum Severity {
    /// Somebody is waited for.
    #[default]
    Info,
    /// A promise is at risk, or what would show that it is kept is missing.
    Warning,
    /// A promise is broken, or nobody would learn of it.
    Critical,
}

as_word!(Severity {
    Info = "info",
    Warning = "warning",
    Critical = "critical",
});
