//! Who has which role, and where.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{InvalidDocument, Labels, NotYet};
use crate::Name;
use crate::access::{BuiltInRole, Scope};

/// A role that is given to people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = RoleBindingSpec))]
pub struct RoleBinding {
    /// `viewer`, `operator`, `approver` or `administrator`.
    #[cfg_attr(feature = "schema", schema(value_type = String, example = "operator"))]
    pub role: Name,
    /// To whom it is given.
    pub subjects: Vec<Subject>,
    /// The clusters that it holds for.
    pub scope: BindingScope,
}

/// Somebody who is given a role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Subject {
    /// A user. API tokens act for their user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub user: Option<Name>,
    #[serde(default, skip_serializing_if = "NotYet::skip")]
    #[cfg_attr(feature = "schema", schema(ignore))]
    #[doc(hidden)]
    pub group: NotYet,
    #[serde(default, skip_serializing_if = "NotYet::skip")]
    #[cfg_attr(feature = "schema", schema(ignore))]
    #[doc(hidden)]
    pub service_account: NotYet,
}

/// Where a role holds: one of both.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct BindingScope {
    /// For the clusters of this fleet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub fleet: Option<Name>,
    /// For the clusters with all of these labels; `{}` is everything, also what
    /// belongs to no cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<std::collections::BTreeMap<String, String>>))]
    pub selector: Option<Labels>,
}

impl BindingScope {
    /// Everything.
    pub fn everything() -> Self {
        Self {
            fleet: None,
            selector: Some(Labels::new()),
        }
    }

    /// The scope; `None` for what a check refuses.
    pub fn scope(&self) -> Option<Scope> {
        match (&self.fleet, &self.selector) {
            (Some(fleet), None) => Some(Scope::Fleet(fleet.clone())),
            (None, Some(selector)) => Some(Scope::Selector(selector.clone())),
            (None, None) | (Some(_), Some(_)) => None,
        }
    }
}

impl RoleBinding {
    /// The role, if it is built in.
    pub fn built_in(&self) -> Option<BuiltInRole> {
        self.role.as_str().parse().ok()
    }

    /// Whether a user has the role by it.
    pub fn names(&self, user: &Name) -> bool {
        self.users().any(|named| named == user)
    }

    /// The users that it names.
    pub fn users(&self) -> impl Iterator<Item = &Name> {
        self.subjects
            .iter()
            .filter_map(|subject| subject.user.as_ref())
    }

    /// Whether whoever has it may give and take every role.
    pub fn makes_administrators(&self) -> bool {
        let everything = self
            .scope
            .scope()
            .is_some_and(|scope| scope.is_everything());
        self.built_in() == Some(BuiltInRole::Administrator)
            && everything
            && self.users().next().is_some()
    }

    pub(super) fn check(&self) -> Result<(), InvalidDocument> {
        if self.built_in().is_none() {
            let roles = BuiltInRole::ALL
                .map(|role| format!("\"{role}\""))
                .join(", ");
            return Err(InvalidDocument {
                message: format!(
                    "\"{}\" is no built-in role: roles of your own are not supported yet; \
                     there are {roles}",
                    self.role
                ),
                ..InvalidDocument::not_yet("spec.role")
            });
        }
        if self.subjects.is_empty() {
            let message = "a role is given to somebody";
            return Err(InvalidDocument::new("spec.subjects", message));
        }
        let mut seen = BTreeSet::new();
        for (index, subject) in self.subjects.iter().enumerate() {
            let field = |name: &str| format!("spec.subjects[{index}].{name}");
            subject.group.refuse(field("group"))?;
            subject.service_account.refuse(field("serviceAccount"))?;
            let Some(user) = &subject.user else {
                let message = "name a user";
                return Err(InvalidDocument::new(field("user"), message));
            };
            if !seen.insert(user) {
                let message = format!("{user} is named twice");
                return Err(InvalidDocument::new(field("user"), message));
            }
        }
        if self.scope.scope().is_none() {
            let message = "say either a fleet or a selector; {selector: {}} is everything";
            return Err(InvalidDocument::new("spec.scope", message));
        }
        Ok(())
    }
}
