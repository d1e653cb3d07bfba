//! `[access]`: logins and tokens.

use std::time::Duration;

use holdfast_types::Span;
use serde::{Deserialize, Serialize};

/// Logins and tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Access {
    /// How long an access token is good for.
    pub access_token: Span,
    /// How long a login can be refreshed.
    pub session: Span,
    /// How long a join token is good for when it is not said.
    pub join_token: Span,
    /// How long a request for approval waits.
    pub approval: Span,
    /// How long an agent's certificate is good for. Agents renew theirs when a
    /// third of it is left.
    pub agent_certificate: Span,
    /// How long this node's own certificate is good for. It is made anew at
    /// every start, and when a third of it is left.
    pub node_certificate: Span,
}

impl Default for Access {
    fn default() -> Self {
        Self {
            access_token: Span::from_secs(15 * 60),
            session: Span::from_secs(7 * 24 * 3600),
            join_token: Span::from_secs(3600),
            approval: Span::from_secs(72 * 3600),
            agent_certificate: Span::from_secs(365 * 24 * 3600),
            node_certificate: Span::from_secs(90 * 24 * 3600),
        }
    }
}

impl Access {
    pub(super) fn problem(&self) -> Option<String> {
        let within = |name: &str, span: Span, least: u64, most: u64| {
            let fits =
                (Duration::from_secs(least)..=Duration::from_secs(most)).contains(&span.get());
            let bounds = (Span::from_secs(least), Span::from_secs(most));
            (!fits).then(|| {
                format!(
                    "access.{name}: {span} is not within {} to {}",
                    bounds.0, bounds.1
                )
            })
        };
        const DAY: u64 = 24 * 3600;
        within("accessToken", self.access_token, 30, DAY)
            .or_else(|| within("session", self.session, 60, 90 * DAY))
            .or_else(|| within("joinToken", self.join_token, 1, 30 * DAY))
            .or_else(|| within("approval", self.approval, 1, 30 * DAY))
            .or_else(|| within("agentCertificate", self.agent_certificate, 10, 3650 * DAY))
            .or_else(|| within("nodeCertificate", self.node_certificate, 10, 3650 * DAY))
    }
}
