//! Records in the audit log that a login failed.

use holdfast_types::Name;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use crate::context::{ApplyContext, Stop};

/// Since v0.1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordLoginFailure {
    /// Who was said to log in; `None` when it is not the name of a user, for
    /// people type their password into the wrong field (I-10).
    pub user: Option<Name>,
    /// Why it failed, as a stable code such as `wrong_password`.
    pub reason: String,
}

impl ReplicatedCommand for RecordLoginFailure {
    type Outcome = ();
    const NAME: &'static str = "record_login_failure";

    fn target(&self) -> String {
        match &self.user {
            Some(name) => format!("users/{name}"),
            None => "users".to_owned(),
        }
    }

    fn audit_detail(&self) -> Value {
        json!({"reason": self.reason})
    }

    async fn apply(self, _: &mut ApplyContext<'_>) -> Result<(), Stop> {
        Ok(())
    }
}
