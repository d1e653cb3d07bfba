//! Nodes that are reached elsewhere than the membership says: one that joins
//! knows no membership yet, and one may move.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use openraft::ChangeMembers;

use super::Node;
use crate::error::{CallError, MembershipError};
use crate::raft::{Member, NodeId};

impl Node {
    /// [`Node::call`] for a node of which only id and Raft address are known.
    pub async fn call_address(
        &self,
        to: NodeId,
        raft: &str,
        kind: &str,
        body: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, CallError> {
        let member = Member {
            raft: raft.to_owned(),
            ..Member::default()
        };
        self.call_member(to, &member, kind, body, timeout).await
    }

    /// Reaches a member at other addresses from now on. The caller makes sure
    /// that it is the same node, with its disk, which is there.
    pub async fn move_member(&self, id: NodeId, member: Member) -> Result<(), MembershipError> {
        self.require_leader()?;
        match self.member(id) {
            None => Err(MembershipError::NoSuchMember(id)),
            Some(known) if known == member => Ok(()),
            Some(_) => {
                let moved = ChangeMembers::SetNodes(BTreeMap::from([(id, member.clone())]));
                self.change(moved, true).await?;
                self.inner.network.moved(id, &member);
                Ok(())
            }
        }
    }
}
