//! What a role may do: a noun and a verb. The words are part of the contract:
//! roles of one's own will name them.

use serde::{Deserialize, Serialize};

use crate::backup::as_word;
use crate::resource::Kind;

macro_rules! permissions {
    ($($(#[$doc:meta])* $variant:ident = $word:literal,)*) => {
        /// A permission.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Permission {
            $($(#[$doc])* #[serde(rename = $word)] $variant,)*
        }

        as_word!(Permission { $($variant = $word),* });

        impl Permission {
            /// Every permission, by its word.
            pub const ALL: &[Self] = &[$(Self::$variant),*];
        }
    };
}

permissions! {
    /// See roles and who has them.
    AccessRead = "access:read",
    /// Give and take roles.
    AccessWrite = "access:write",
    /// See agents.
    AgentsRead = "agents:read",
    /// Let agents enrol, and revoke them.
    AgentsWrite = "agents:write",
    /// See alarms and silences.
    AlarmsRead = "alarms:read",
    /// Acknowledge alarms and silence them.
    AlarmsWrite = "alarms:write",
    /// See requests for approval.
    ApprovalsRead = "approvals:read",
    /// Consent to what others asked for, or refuse it.
    ApprovalsVote = "approvals:vote",
    /// Read the audit log.
    AuditRead = "audit:read",
    /// Delete backups, and end holds.
    BackupsDelete = "backups:delete",
    /// See backups and what expires.
    BackupsRead = "backups:read",
    /// Take, copy and hold backups.
    BackupsWrite = "backups:write",
    /// See where alarms are told, and what arrived.
    ChannelsRead = "channels:read",
    /// Declare where alarms are told, and try it.
    ChannelsWrite = "channels:write",
    /// See clusters, fleets and exposure.
    ClustersRead = "clusters:read",
    /// Declare clusters, change and delete them.
    ClustersWrite = "clusters:write",
    /// See what drills showed.
    DrillsRead = "drills:read",
    /// Rehearse restores.
    DrillsWrite = "drills:write",
    /// Declare fleets.
    FleetsWrite = "fleets:write",
    /// See jobs and runs.
    JobsRead = "jobs:read",
    /// Cancel jobs.
    JobsWrite = "jobs:write",
    /// See the keys of repositories.
    KeysExport = "keys:export",
    /// See the control plane's own nodes, their numbers and the snapshots of its state.
    NodesRead = "nodes:read",
    /// Add and remove nodes, and keep snapshots of the state.
    NodesWrite = "nodes:write",
    /// See policies and drill plans.
    PoliciesRead = "policies:read",
    /// Declare policies and drill plans.
    PoliciesWrite = "policies:write",
    /// See repositories.
    RepositoriesRead = "repositories:read",
    /// Declare repositories.
    RepositoriesWrite = "repositories:write",
    /// See restores and what became of them.
    RestoresRead = "restores:read",
    /// Plan and run restores.
    RestoresWrite = "restores:write",
    /// Have repositories compared with the catalog.
    ScansWrite = "scans:write",
    /// See the names of secrets.
    SecretsRead = "secrets:read",
    /// Set and delete secrets.
    SecretsWrite = "secrets:write",
    /// See users and everybody's API tokens.
    UsersRead = "users:read",
    /// Create and delete users, set their passwords, revoke their tokens.
    UsersWrite = "users:write",
}

impl Permission {
    /// What it takes to see resources of a kind.
    pub const fn to_read(kind: Kind) -> Self {
        match kind {
            Kind::Repository => Self::RepositoriesRead,
            Kind::Fleet | Kind::Cluster => Self::ClustersRead,
            Kind::Policy | Kind::DrillPlan => Self::PoliciesRead,
            Kind::RoleBinding => Self::AccessRead,
            Kind::NotificationChannel => Self::ChannelsRead,
        }
    }

    /// What it takes to declare and delete resources of a kind.
    pub const fn to_write(kind: Kind) -> Self {
        match kind {
            Kind::Repository => Self::RepositoriesWrite,
            Kind::Fleet => Self::FleetsWrite,
            Kind::Cluster => Self::ClustersWrite,
            Kind::Policy | Kind::DrillPlan => Self::PoliciesWrite,
            Kind::RoleBinding => Self::AccessWrite,
            Kind::NotificationChannel => Self::ChannelsWrite,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_in_order_and_read_back() {
        let words: Vec<&str> = Permission::ALL.iter().map(|one| one.as_str()).collect();
        assert!(words.is_sorted(), "{words:?}");
        for permission in Permission::ALL {
            assert_eq!(permission.as_str().parse(), Ok(*permission));
            let json = serde_json::to_value(permission).unwrap();
            assert_eq!(json, permission.as_str());
        }
    }
}
