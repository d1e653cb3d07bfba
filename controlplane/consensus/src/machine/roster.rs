//! Who is in the group, and who was: as far as this node has applied.

use std::collections::BTreeSet;

use crate::raft::{Membership, NodeId};
use crate::wire::pb;

/// Members now and once. Node ids are never used again, so a node that was
/// removed stays removed: its certificate opens nothing any more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Roster {
    members: BTreeSet<NodeId>,
    former: BTreeSet<NodeId>,
}

impl Roster {
    /// What the state holds.
    pub(super) fn new(membership: &Membership, former: pb::RaftNodes) -> Self {
        let members = membership.nodes().map(|(id, _)| *id).collect();
        let former = former.nodes.into_iter().map(NodeId).collect();
        Self { members, former }
    }

    /// The next membership: whoever is in it no more was a member once.
    pub(super) fn follow(&mut self, membership: &Membership) {
        let next: BTreeSet<NodeId> = membership.nodes().map(|(id, _)| *id).collect();
        self.former.extend(self.members.difference(&next));
        self.former.retain(|id| !next.contains(id));
        self.members = next;
    }

    pub(super) fn former(&self) -> pb::RaftNodes {
        pb::RaftNodes {
            nodes: self.former.iter().map(|id| id.0).collect(),
        }
    }

    pub(crate) fn is_member(&self, id: NodeId) -> bool {
        self.members.contains(&id)
    }

    pub(crate) fn is_former(&self, id: NodeId) -> bool {
        self.former.contains(&id)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::raft::Member;

    fn of(ids: &[u64]) -> Membership {
        let voters: BTreeSet<NodeId> = ids.iter().copied().map(NodeId).collect();
        let members: BTreeMap<NodeId, Member> =
            voters.iter().map(|id| (*id, Member::default())).collect();
        Membership::new(vec![voters], members).unwrap()
    }

    #[test]
    fn whoever_left_is_remembered_over_a_restart() {
        let mut roster = Roster::default();
        roster.follow(&of(&[1, 2, 3]));
        roster.follow(&of(&[1, 3]));
        roster.follow(&of(&[1, 3, 4]));
        assert!(roster.is_former(NodeId(2)) && !roster.is_member(NodeId(2)));
        assert!(roster.is_member(NodeId(4)) && !roster.is_former(NodeId(4)));
        assert!(!roster.is_former(NodeId(5)), "it was never a member");
        let again = Roster::new(&of(&[1, 3, 4]), roster.former());
        assert_eq!(again, roster);
    }
}
