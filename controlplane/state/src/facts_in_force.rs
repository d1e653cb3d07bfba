//! What decides about every cluster now, kept in memory.
//!
//! Ten thousand clusters have a million facts in force, and in a second few of them
//! change. What is asked for is read once; before each answer the log's own times say
//! of which clusters something became known since, and those are read again. So an
//! answer is as new as the connection that it is asked over, and costs what changed.
//!
//! - The time of entries never goes back, and a fact or a claim has the time of the entry
//!   that wrote it: whatever was applied after `as_of` was read is known at or after it.
//! - A fact in force changes only with another one that is written at the same time.
//!   Pruning takes away what decides nothing any more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use holdfast_compliance::{Deciding, KeptStretch, Recorded};
use holdfast_types::Name;
use jiff::Timestamp;
use sea_orm::DatabaseConnection;

use crate::column::{Moment, Text};
use crate::query::many::{list, rows};
use crate::query::past;
use crate::{StateError, query};

/// How many clusters are read with one statement.
const AT_ONCE: usize = 500;
/// More stretches than this since the newest backup say nothing new about now.
const STRETCHES_MOST: u64 = 5000;

/// What decides about clusters now, of one database.
#[derive(Debug, Default)]
pub struct FactsInForce {
    /// The log's time before the last look at what had changed.
    as_of: Option<Timestamp>,
    clusters: BTreeMap<Name, Kept>,
}

#[derive(Debug)]
struct Kept {
    deciding: Arc<Deciding>,
    /// Whether its stretches are those on record.
    whole: bool,
}

impl FactsInForce {
    /// What decides about these clusters, as new as what the connection sees; nothing
    /// below level 23. Of clusters without facts too.
    pub async fn of(
        &mut self,
        conn: &DatabaseConnection,
        clusters: &[Name],
    ) -> Result<BTreeMap<Name, Arc<Deciding>>, StateError> {
        if !query::keeps_facts(conn).await? {
            return Ok(BTreeMap::new());
        }
        self.forget_changed(conn).await?;
        let missing = |name: &&Name| !self.clusters.contains_key(*name);
        let missing: Vec<Name> = clusters.iter().filter(missing).cloned().collect();
        for some in missing.chunks(AT_ONCE) {
            for (name, facts) in facts(conn, some).await? {
                let kept = Kept {
                    deciding: Arc::new(Deciding::new(facts)),
                    whole: false,
                };
                self.clusters.insert(name, kept);
            }
        }
        self.complete(conn, clusters).await?;
        let found = clusters.iter().filter_map(|name| {
            let kept = self.clusters.get(name)?;
            Some((name.clone(), kept.deciding.clone()))
        });
        Ok(found.collect())
    }

    async fn forget_changed(&mut self, conn: &DatabaseConnection) -> Result<(), StateError> {
        // Before what has changed: what comes in between is found the next time again.
        let now = query::log_time(conn).await?;
        if let Some(since) = self.as_of.take() {
            // Whoever is interrupted in here begins anew.
            let mut clusters = std::mem::take(&mut self.clusters);
            for name in changed(conn, FACTS_CHANGED, since).await? {
                clusters.remove(&name);
            }
            for name in changed(conn, STRETCHES_CHANGED, since).await? {
                if let Some(kept) = clusters.get_mut(&name) {
                    kept.whole = false;
                }
            }
            self.clusters = clusters;
        }
        self.as_of = Some(now);
        Ok(())
    }

    /// Reads the stretches of those of the clusters that lack them.
    async fn complete(
        &mut self,
        conn: &DatabaseConnection,
        clusters: &[Name],
    ) -> Result<(), StateError> {
        let lacks = |name: &Name| {
            let kept = self.clusters.get(name).filter(|kept| !kept.whole)?;
            // Without anything to restore from no claim counts.
            let since = kept.deciding.since().unwrap_or(Timestamp::MAX);
            Some((name.clone(), since.as_microsecond()))
        };
        let wanted: Vec<(Name, i64)> = clusters.iter().filter_map(lacks).collect();
        for some in wanted.chunks(AT_ONCE) {
            for (name, stretches) in stretches(conn, some).await? {
                if let Some(kept) = self.clusters.get_mut(&name) {
                    kept.deciding = Arc::new(kept.deciding.with_stretches(stretches));
                    kept.whole = true;
                }
            }
        }
        Ok(())
    }
}

// By the indexes of what became known when; a scan of all facts costs more than what is
// saved.
const FACTS_CHANGED: &str = "SELECT DISTINCT cluster FROM compliance_facts \
                             INDEXED BY compliance_facts_known WHERE known >= ?";
const STRETCHES_CHANGED: &str = "SELECT DISTINCT cluster FROM compliance_stretches \
                                 INDEXED BY compliance_stretches_known \
                                 WHERE closed IN (0, 1) AND known_to >= ?";

async fn changed(
    conn: &DatabaseConnection,
    sql: &str,
    since: Timestamp,
) -> Result<BTreeSet<Name>, StateError> {
    let found = rows(conn, sql, vec![Moment(since).into()]).await?;
    let mut names = BTreeSet::new();
    for row in found {
        names.insert(row.try_get_by_index::<Text<Name>>(0)?.0);
    }
    Ok(names)
}

async fn facts(
    conn: &DatabaseConnection,
    clusters: &[Name],
) -> Result<Vec<(Name, Vec<Recorded>)>, StateError> {
    // The texts are JSON already.
    let sql = "SELECT r.value, (SELECT '[' || group_concat('[' || f.at || ',' || f.known || \
               ',' || f.fact || ']') || ']' FROM (SELECT at, known, fact \
               FROM compliance_in_force WHERE cluster = r.value ORDER BY subject) f) \
               FROM json_each(?) r";
    let mut found = Vec::new();
    for row in rows(conn, sql, vec![list(clusters)?]).await? {
        let cluster: Text<Name> = row.try_get_by_index(0)?;
        let text: Option<String> = row.try_get_by_index(1)?;
        found.push((cluster.0, past::facts(text.as_deref())?));
    }
    Ok(found)
}

/// Of each cluster those that ended at its moment or later, the earliest first. How long
/// an exposure was how high says nothing of now, and is left out.
async fn stretches(
    conn: &DatabaseConnection,
    clusters: &[(Name, i64)],
) -> Result<Vec<(Name, Vec<KeptStretch>)>, StateError> {
    let sql = format!(
        "SELECT r.value ->> 0, (SELECT '[' || group_concat('[' || json_quote(s.repository) || \
         ',' || s.known_from || ',' || s.known_to || ',' || \
         json_remove(s.stretch, '$.spread') || ']') || ']' FROM (SELECT * \
         FROM compliance_stretches WHERE cluster = r.value ->> 0 AND last_at >= r.value ->> 1 \
         ORDER BY last_at DESC, repository DESC LIMIT {STRETCHES_MOST}) s) FROM json_each(?) r"
    );
    let mut found = Vec::new();
    for row in rows(conn, &sql, vec![list(clusters)?]).await? {
        let cluster: Text<Name> = row.try_get_by_index(0)?;
        let text: Option<String> = row.try_get_by_index(1)?;
        let mut kept = past::stretches(text.as_deref())?;
        kept.reverse();
        found.push((cluster.0, kept));
    }
    Ok(found)
}
