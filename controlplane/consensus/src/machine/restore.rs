//! Making a state from a copy of another group's: the rows stay, the group is
//! a new one of a single node.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use sea_orm::DatabaseConnection;

use super::database::{self, Database, unusable};
use super::{Machine, Roster};
use crate::directory;
use crate::fault::{Fault, FaultKind};
use crate::raft::{LogId, Member, Membership, NodeId, StoredMembership};

impl Machine {
    /// Makes the state in `dir`, which has none yet, from the file `source`.
    /// Its last entry, which is returned, stays its last entry; `id` alone is
    /// in the group, and whoever was before is a former member for ever.
    pub(crate) async fn create_from(
        dir: &Path,
        source: &Path,
        id: NodeId,
        member: Member,
    ) -> Result<LogId, Fault> {
        let name = database::file_name(1);
        let path = dir.join(&name);
        let copied = fs::copy(source, &path).and_then(|_| database::sync_file(&path));
        copied.map_err(|error| unusable(&path, "the state cannot be copied", error))?;
        let database = Database::open(path.clone()).await?;
        let rebased = rebase(&database, id, member).await;
        database.close().await;
        let last = rebased?;
        // Everything is in the file itself: its write-ahead log is gone.
        database::sync_file(&path)
            .and_then(|()| database::point_to(dir, &name))
            .and_then(|()| directory::sync_directory(dir))
            .map_err(|error| unusable(&path, "cannot make the state durable", error))?;
        Ok(last)
    }
}

impl Machine {
    /// Connections to the copy of a state, and its last entry.
    pub(crate) async fn read_copy(source: &Path) -> Result<(DatabaseConnection, LogId), Fault> {
        let failed = |error| unusable(source, "the copy of the state cannot be opened", error);
        let connection = database::open_immutable(source).await.map_err(failed)?;
        let (last, _) = database::applied(&connection, source).await?;
        let missing = || {
            let what = "the copy of the state says of no log entry";
            Fault::new(FaultKind::StateUnusable, source, what)
        };
        Ok((connection, last.ok_or_else(missing)?))
    }
}

async fn rebase(database: &Database, id: NodeId, member: Member) -> Result<LogId, Fault> {
    let path = &database.path;
    let damaged = |what: String| Fault::new(FaultKind::StateUnusable, path, what);
    let (last, _) = database::applied(&database.readers, path).await?;
    let last = last.ok_or_else(|| damaged("the state says of no log entry".to_owned()))?;
    let mut roster: Roster = database::roster(&database.readers, path).await?;
    if roster.is_member(id) || roster.is_former(id) {
        return Err(damaged(format!("node {id} was a member before")));
    }
    let voters = BTreeSet::from([id]);
    let membership = Membership::new(vec![voters], BTreeMap::from([(id, member)]))
        .map_err(|error| damaged(format!("the new membership is not valid: {error}")))?;
    roster.follow(&membership);
    let stored = StoredMembership::new(Some(last), membership);
    let written = database.transaction(async move |transaction| {
        database::record_applied(transaction, &last, Some((&stored, &roster))).await
    });
    let unwritten = |error| damaged("the membership cannot be written".to_owned()).caused_by(error);
    written.await?.map_err(unwritten)?;
    Ok(last)
}
