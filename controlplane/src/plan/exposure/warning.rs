//! What is shown beside a verdict.

use holdfast_types::Name;
use serde::Serialize;

/// What is wrong at an instance.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstanceWarning {
    /// The agent of the instance.
    #[schema(value_type = String)]
    pub agent: Name,
    /// A stable code.
    pub code: String,
    /// What happened.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}
