//! What one person may do: the roles that bindings give, each in its scope.

use std::collections::BTreeSet;

use super::{BuiltInRole, Permission, Place, Scope, Visible};
use crate::Name;
use crate::resource::RoleBinding;

/// The rights of a caller. Nothing is allowed that no binding grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// Before there were roles everybody could do everything.
    unlimited: bool,
    grants: Vec<(BuiltInRole, Scope)>,
}

impl Rights {
    /// Those of everybody before there were roles.
    pub const fn unlimited() -> Self {
        Self {
            unlimited: true,
            grants: Vec::new(),
        }
    }

    /// What these bindings give to a user. A role that is not built in gives
    /// nothing.
    pub fn of<'a>(user: &Name, bindings: impl IntoIterator<Item = &'a RoleBinding>) -> Self {
        let mut grants: Vec<(BuiltInRole, Scope)> = bindings
            .into_iter()
            .filter(|binding| binding.names(user))
            .filter_map(|binding| Some((binding.built_in()?, binding.scope.scope()?)))
            .collect();
        grants.sort();
        grants.dedup();
        let unlimited = false;
        Self { unlimited, grants }
    }

    /// Whether they have no limit, because there are no roles yet.
    pub const fn is_unlimited(&self) -> bool {
        self.unlimited
    }

    /// The roles with their scopes.
    pub fn grants(&self) -> &[(BuiltInRole, Scope)] {
        &self.grants
    }

    /// Whether the permission is there for everything.
    pub fn everywhere(&self, permission: Permission) -> bool {
        self.unlimited || self.scopes(permission).any(Scope::is_everything)
    }

    /// Whether the permission is there for anything.
    pub fn somewhere(&self, permission: Permission) -> bool {
        self.unlimited || self.scopes(permission).next().is_some()
    }

    /// Whether the permission is there for a cluster.
    pub fn at(&self, permission: Permission, place: Place<'_>) -> bool {
        self.unlimited || self.scopes(permission).any(|scope| scope.covers(place))
    }

    /// Where the permission is there: what lists are cut to.
    pub fn visible(&self, permission: Permission) -> Visible {
        if self.everywhere(permission) {
            return Visible::Everything;
        }
        Visible::Only(self.scopes(permission).cloned().collect())
    }

    fn scopes(&self, permission: Permission) -> impl Iterator<Item = &Scope> {
        let having = self
            .grants
            .iter()
            .filter(move |(role, _)| role.permits(permission));
        having.map(|(_, scope)| scope)
    }
}

/// The users whom bindings give a permission for a cluster.
pub fn holders<'a>(
    bindings: impl IntoIterator<Item = &'a RoleBinding>,
    permission: Permission,
    place: Place<'_>,
) -> BTreeSet<&'a Name> {
    let gives = |binding: &&RoleBinding| {
        let role = binding
            .built_in()
            .is_some_and(|role| role.permits(permission));
        role && binding
            .scope
            .scope()
            .is_some_and(|scope| scope.covers(place))
    };
    let giving = bindings.into_iter().filter(gives);
    giving.flat_map(RoleBinding::users).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::resource::{Document, Labels, Resource};

    fn binding(role: &str, user: &str, scope: Value) -> RoleBinding {
        let document = json!({"apiVersion": "holdfast/v1", "kind": "RoleBinding",
            "metadata": {"name": "b"},
            "spec": {"role": role, "subjects": [{"user": user}], "scope": scope}});
        match Document::from_value(document).unwrap().resource {
            Resource::RoleBinding(binding) => binding,
            other => panic!("{other:?}"),
        }
    }

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn a_right_holds_where_it_was_given_and_for_whom() {
        let bindings = [
            binding("operator", "ada", json!({"fleet": "payments"})),
            binding("viewer", "ada", json!({"selector": {"tier": "gold"}})),
            binding("administrator", "eve", json!({"selector": {}})),
        ];
        let ada = Rights::of(&name("ada"), &bindings);
        let gold: Labels = [("tier".to_owned(), "gold".to_owned())].into();
        let (payments, web) = (name("payments"), name("web"));
        let place = |fleet, labels| Place { fleet, labels };
        let none = Labels::new();
        assert!(ada.at(Permission::BackupsWrite, place(&payments, &none)));
        assert!(!ada.at(Permission::BackupsWrite, place(&web, &gold)));
        assert!(ada.at(Permission::BackupsRead, place(&web, &gold)));
        assert!(!ada.at(Permission::BackupsRead, place(&web, &none)));
        // Two scopes side by side are never everything.
        assert!(!ada.everywhere(Permission::BackupsRead));
        assert!(ada.somewhere(Permission::BackupsRead));
        let visible = ada.visible(Permission::BackupsRead);
        assert!(visible.sees(place(&payments, &none)) && !visible.sees(place(&web, &none)));

        let eve = Rights::of(&name("eve"), &bindings);
        assert!(Permission::ALL.iter().all(|one| eve.everywhere(*one)));
        assert!(eve.visible(Permission::AuditRead).is_everything());

        let reading = |fleet, labels| {
            let found = holders(&bindings, Permission::BackupsRead, place(fleet, labels));
            found.into_iter().map(Name::as_str).collect::<Vec<_>>()
        };
        assert_eq!(reading(&web, &gold), ["ada", "eve"]);
        assert_eq!(reading(&web, &none), ["eve"]);

        let nobody = Rights::of(&name("bob"), &bindings);
        assert!(!Permission::ALL.iter().any(|one| nobody.somewhere(*one)));
        let visible = nobody.visible(Permission::ClustersRead);
        assert!(!visible.sees(place(&payments, &gold)));
    }
}
