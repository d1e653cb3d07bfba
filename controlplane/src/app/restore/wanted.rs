//! A restore that somebody asks for.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_types::drill::{CheckKind, Expect};
use holdfast_types::resource::{Check, check_all};
use holdfast_types::restoring::{HandOver, RegisterAs, RestoreWebhook};
use holdfast_types::{Name, RestoreRequest, RestoreTarget, TargetAction};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::app::error::{AppError, Result};

/// Hooks of one restore.
const HOOKS_MOST: usize = 8;

/// A restore that somebody asks for: on an agent's host, or in a region.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = RestoreRequest)]
pub struct WantedRestore {
    /// The cluster to restore.
    #[schema(value_type = String, example = "orders")]
    pub cluster: Name,
    /// Where to end: `latest`, an RFC 3339 time, `lsn:X`.
    #[schema(value_type = String, example = "latest")]
    pub at: RestoreTarget,
    /// End before the target itself.
    #[serde(default)]
    pub exclusive: bool,
    /// The agent on whose host the directory is made.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub agent: Option<Name>,
    /// The region in which it is made, instead of an agent: on the host that suits best.
    #[serde(default)]
    pub region: Option<String>,
    /// The new data directory, absolute. Not of a rehearsal.
    #[serde(default)]
    pub dir: String,
    /// The repository to read and no other; when it is not said, the nearest healthy one
    /// that holds what is asked for, and then the next.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub repository: Option<Name>,
    /// Start PostgreSQL, wait until it reached the target, and leave it running.
    #[serde(default)]
    pub start: bool,
    /// The port it is to listen on.
    #[serde(default)]
    pub port: Option<u16>,
    /// Settings for the restored server.
    #[serde(default)]
    pub set: BTreeMap<String, String>,
    /// What PostgreSQL does at the target.
    #[serde(default)]
    pub action: TargetAction,
    /// Where tablespaces go, by where they were or by name; those that are not
    /// named go back to where they were. `pg_wal` makes that directory a link;
    /// without it, it is in the data directory.
    #[serde(default)]
    #[schema(example = json!({"/srv/fast": "/srv/copy/fast"}))]
    pub tablespace_map: BTreeMap<String, String>,
    /// Restore over what is in the directory: what is the same stays, what differs
    /// is written, what the backup does not have is removed. Of a directory that
    /// Holdfast restored.
    #[serde(default)]
    pub delta: bool,
    /// Write over a data directory that Holdfast did not restore, or of another
    /// system. Only with `delta`.
    #[serde(default)]
    pub force: bool,
    /// Execute the plan that was shown with this hash, and no other.
    #[serde(default)]
    pub plan_hash: Option<String>,
    /// Only rehearse it, as a drill: a throw-away server, which nothing is left of.
    #[serde(default)]
    pub rehearse: bool,
    /// Declare what was restored as a cluster, and take its first backup.
    #[serde(default)]
    pub register: Option<RegisterAs>,
    /// Who is told when it is there.
    #[serde(default)]
    pub webhooks: Vec<RestoreWebhook>,
    /// What is checked on the started server before it is handed over, in the words of a
    /// drill's checks: queries and `amcheck`. Of a rehearsal, what the drill checks.
    #[serde(default)]
    pub checks: Vec<Check>,
    /// Commands that its agent runs when it is there, by the names under which that host's
    /// `agent.toml` allows them.
    #[serde(default)]
    #[schema(value_type = Vec<String>, example = json!(["repoint"]))]
    pub hooks: Vec<Name>,
}

impl WantedRestore {
    /// What the agent is asked for.
    pub(super) fn on(&self, agent: Name) -> RestoreRequest {
        RestoreRequest {
            cluster: self.cluster.clone(),
            at: self.at.clone(),
            exclusive: self.exclusive,
            agent,
            dir: self.dir.clone(),
            repository: self.repository.clone(),
            start: self.start,
            port: self.port,
            set: self.set.clone(),
            action: self.action,
            tablespace_map: self.tablespace_map.clone(),
            delta: self.delta,
            force: self.force,
            checks: self.checks.clone(),
            hooks: self.hooks.clone(),
        }
    }

    pub(super) fn hand_over(&self) -> HandOver {
        HandOver {
            register: self.register.clone(),
            webhooks: self.webhooks.clone(),
        }
    }

    /// Whether it asks for what only restores that are rows have.
    pub(super) fn needs_rows(&self) -> bool {
        self.region.is_some() || self.plan_hash.is_some() || self.hand_over() != HandOver::default()
    }

    /// Whether it asks for what restores had no words for at first.
    pub(super) fn is_looked_at(&self) -> bool {
        !self.checks.is_empty() || !self.hooks.is_empty()
    }

    /// What the shape of a request alone cannot say.
    pub(super) fn check(&self) -> Result<()> {
        let invalid = |field: &str, message: &str| Err(AppError::invalid(field, message));
        match (&self.agent, &self.region) {
            (Some(_), Some(_)) => {
                return invalid(
                    "region",
                    "an agent is in one region: name the agent or a region",
                );
            }
            (None, None) if !self.rehearse => {
                return invalid(
                    "agent",
                    "name the agent on whose host it is made, or a region",
                );
            }
            _ => {}
        }
        if self.force && !self.delta {
            return invalid(
                "force",
                "only a delta writes over anything; leave force out",
            );
        }
        check_all(&self.checks, "checks")
            .map_err(|error| AppError::invalid(error.field, error.message))?;
        if self.rehearse {
            return self.check_rehearsal();
        }
        if !self.dir.starts_with('/') {
            return invalid("dir", "the directory is an absolute path");
        }
        if self.register.is_some() && !(self.start && self.action == TargetAction::Promote) {
            let message = "a cluster is a server that runs: start it, and promote it";
            return invalid("register", message);
        }
        self.check_checks()?;
        self.check_hooks()?;
        for (index, webhook) in self.webhooks.iter().enumerate() {
            let url = webhook.url.as_str();
            if !(url.starts_with("https://") || url.starts_with("http://")) || url.contains('@') {
                let message = "it is an http or https URL without a password";
                return Err(AppError::invalid(format!("webhooks[{index}].url"), message));
            }
        }
        Ok(())
    }

    /// Who asks the queries is made for them, which takes a server that may be written to;
    /// and it is handed over as it is, so that nothing is asked that would end it.
    fn check_checks(&self) -> Result<()> {
        if self.checks.is_empty() {
            return Ok(());
        }
        if !(self.start && self.action == TargetAction::Promote) {
            let message = "checks are made on a server that runs: start it, and promote it";
            return Err(AppError::invalid("checks", message));
        }
        for (index, check) in self.checks.iter().enumerate() {
            let (field, message) = match (check.kind(), &check.expect) {
                (Some(CheckKind::Checksums), _) => (
                    "checksums",
                    "pg_checksums wants the server stopped, and this one stays: check with \
                     amcheck, or rehearse the restore",
                ),
                (Some(CheckKind::RowCounts), _) => (
                    "rowCounts",
                    "rows are compared with the drill before: rehearse the restore, or count them \
                     with a query",
                ),
                (_, Some(Expect::Drift(_))) => (
                    "expect",
                    "a drift is that from the drill before: rehearse the restore, or compare with \
                     a value",
                ),
                _ => continue,
            };
            let field = format!("checks[{index}].{field}");
            return Err(AppError::invalid(field, message));
        }
        Ok(())
    }

    fn check_hooks(&self) -> Result<()> {
        if self.hooks.len() > HOOKS_MOST {
            let message = format!("a restore has at most {HOOKS_MOST} hooks");
            return Err(AppError::invalid("hooks", message));
        }
        let mut seen = BTreeSet::new();
        match self.hooks.iter().position(|name| !seen.insert(name)) {
            None => Ok(()),
            Some(index) => {
                let field = format!("hooks[{index}]");
                let message = "it is named twice, and is run once";
                Err(AppError::invalid(field, message))
            }
        }
    }

    fn check_rehearsal(&self) -> Result<()> {
        let plain = !self.exclusive
            && !self.delta
            && !self.needs_hand_over()
            && self.set.is_empty()
            && self.tablespace_map.is_empty()
            && self.hooks.is_empty()
            && self.port.is_none()
            && self.plan_hash.is_none()
            && self.action == TargetAction::Promote;
        if plain {
            return Ok(());
        }
        let message = "a rehearsal is a server that is thrown away: it has a target, a \
                       repository, an agent or a region, checks, and nothing else";
        Err(AppError::invalid("rehearse", message))
    }

    fn needs_hand_over(&self) -> bool {
        self.hand_over() != HandOver::default()
    }
}
