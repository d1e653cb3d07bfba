//! The built-in roles. They cannot be changed; roles of one's own come later.

use serde::{Deserialize, Serialize};

use super::Permission;
use crate::backup::as_word;

/// A built-in role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BuiltInRole {
    /// Sees what is declared and how it is.
    Viewer,
    /// Runs the protection: declares clusters and policies, takes and deletes
    /// backups, restores.
    Operator,
    /// Sees what a viewer sees, and consents to what others ask for.
    Approver,
    /// Everything, among it who may do what.
    Administrator,
}

as_word!(BuiltInRole {
    Viewer = "viewer",
    Operator = "operator",
    Approver = "approver",
    Administrator = "administrator",
});

use Permission::{
    AccessRead, AgentsRead, AlarmsRead, AlarmsWrite, ApprovalsRead, ApprovalsVote, AuditRead,
    BackupsDelete, BackupsRead, BackupsWrite, ChannelsRead, ChannelsWrite, ClustersRead,
    ClustersWrite, DrillsRead, DrillsWrite, FleetsWrite, JobsRead, JobsWrite, NodesRead,
    PoliciesRead, PoliciesWrite, RepositoriesRead, RepositoriesWrite, RestoresRead, RestoresWrite,
    ScansWrite, SecretsRead, SecretsWrite,
};

const VIEWER: &[Permission] = &[
    AccessRead,
    AgentsRead,
    AlarmsRead,
    ApprovalsRead,
    AuditRead,
    BackupsRead,
    ChannelsRead,
    ClustersRead,
    DrillsRead,
    JobsRead,
    NodesRead,
    PoliciesRead,
    RepositoriesRead,
    RestoresRead,
];
const APPROVER: &[Permission] = &[
    AccessRead,
    AgentsRead,
    AlarmsRead,
    ApprovalsRead,
    ApprovalsVote,
    AuditRead,
    BackupsRead,
    ChannelsRead,
    ClustersRead,
    DrillsRead,
    JobsRead,
    NodesRead,
    PoliciesRead,
    RepositoriesRead,
    RestoresRead,
];
const OPERATOR: &[Permission] = &[
    AccessRead,
    AgentsRead,
    AlarmsRead,
    AlarmsWrite,
    ApprovalsRead,
    AuditRead,
    BackupsDelete,
    BackupsRead,
    BackupsWrite,
    ChannelsRead,
    ChannelsWrite,
    ClustersRead,
    ClustersWrite,
    DrillsRead,
    DrillsWrite,
    FleetsWrite,
    JobsRead,
    JobsWrite,
    NodesRead,
    PoliciesRead,
    PoliciesWrite,
    RepositoriesRead,
    RepositoriesWrite,
    RestoresRead,
    RestoresWrite,
    ScansWrite,
    SecretsRead,
    SecretsWrite,
];

impl BuiltInRole {
    /// Every role, the one that may least first.
    pub const ALL: [Self; 4] = [
        Self::Viewer,
        Self::Approver,
        Self::Operator,
        Self::Administrator,
    ];

    /// What it may do.
    pub const fn permissions(self) -> &'static [Permission] {
        match self {
            Self::Viewer => VIEWER,
            Self::Operator => OPERATOR,
            Self::Approver => APPROVER,
            Self::Administrator => Permission::ALL,
        }
    }

    /// Whether it may do this.
    pub fn permits(self, permission: Permission) -> bool {
        self.permissions().contains(&permission)
    }

    /// What it is for, in a sentence.
    pub const fn description(self) -> &'static str {
        match self {
            Self::Viewer => "sees what is declared and how it is, the audit log included",
            Self::Operator => {
                "declares clusters and policies, takes and deletes backups, runs and rehearses restores"
            }
            Self::Approver => "sees what a viewer sees, and consents to what others ask for",
            Self::Administrator => "may do everything, among it giving and taking roles",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_hold_what_their_names_promise() {
        for role in BuiltInRole::ALL {
            assert!(role.permissions().is_sorted(), "{role}");
            assert_eq!(role.as_str().parse(), Ok(role));
            for seen in BuiltInRole::Viewer.permissions() {
                assert!(role.permits(*seen), "{role} sees less than a viewer");
            }
        }
        // Who acts does not consent, and who consents does not act.
        assert!(!BuiltInRole::Operator.permits(ApprovalsVote));
        assert!(!BuiltInRole::Approver.permits(BackupsDelete));
        for alone in [
            Permission::AccessWrite,
            Permission::KeysExport,
            Permission::UsersWrite,
        ] {
            let may = |role: &BuiltInRole| role.permits(alone);
            let having: Vec<_> = BuiltInRole::ALL.into_iter().filter(may).collect();
            assert_eq!(having, [BuiltInRole::Administrator]);
        }
    }
}
