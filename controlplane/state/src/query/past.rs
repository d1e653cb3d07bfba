//! All facts of many clusters, as texts: reading them is the database's work, and to
//! make facts of them is more than that, which whoever asks does where it holds up
//! nobody.

use std::sync::Arc;

use holdfast_compliance::{Fact, History, KeptStretch, Recorded, Stretch};
use holdfast_types::Name;
use jiff::Timestamp;
use sea_orm::DatabaseConnection;

use super::compliance::keeps_facts;
use super::many::{list, parse, rows};
use crate::StateError;
use crate::column::Text;

/// What the log knows of a cluster, not looked at yet.
#[derive(Debug, Clone)]
pub struct PastText {
    /// The cluster.
    pub cluster: Name,
    facts: Option<String>,
    stretches: Option<String>,
}

/// What the log knows of a cluster.
#[derive(Debug, Clone, Default)]
pub struct Past {
    /// Its facts, in the order in which they became known.
    pub facts: Vec<Recorded>,
    /// Its stretches, by repository and time.
    pub stretches: Vec<KeptStretch>,
}

/// The past of each of these clusters, in their order; nothing below level 23.
pub async fn pasts(
    conn: &DatabaseConnection,
    clusters: &[Name],
) -> Result<Vec<PastText>, StateError> {
    if !keeps_facts(conn).await? {
        return Ok(Vec::new());
    }
    // The texts are JSON already.
    let sql = "SELECT r.value, (SELECT '[' || group_concat('[' || f.at || ',' || f.known || \
               ',' || f.fact || ']') || ']' FROM (SELECT at, known, fact FROM compliance_facts \
               WHERE cluster = r.value ORDER BY log_index, number) f), \
               (SELECT '[' || group_concat('[' || json_quote(s.repository) || ',' || \
               s.known_from || ',' || s.known_to || ',' || s.stretch || ']') || ']' \
               FROM (SELECT * FROM compliance_stretches WHERE cluster = r.value \
               ORDER BY repository, first_at) s) FROM json_each(?) r ORDER BY r.key";
    let mut found = Vec::new();
    for row in rows(conn, sql, vec![list(clusters)?]).await? {
        found.push(PastText {
            cluster: row.try_get_by_index::<Text<Name>>(0)?.0,
            facts: row.try_get_by_index(1)?,
            stretches: row.try_get_by_index(2)?,
        });
    }
    Ok(found)
}

impl PastText {
    /// What it says.
    pub fn read(&self) -> Result<Past, StateError> {
        let facts = facts(self.facts.as_deref())?;
        let stretches = stretches(self.stretches.as_deref())?;
        Ok(Past { facts, stretches })
    }
}

impl Past {
    /// What is asked about it.
    pub fn history(&self) -> History {
        let mut history = History::default();
        for fact in &self.facts {
            history.add(fact.clone());
        }
        for stretch in &self.stretches {
            history.add_stretch(stretch.clone());
        }
        history
    }
}

/// Since when, known when, and what.
type FactRow = (i64, i64, Fact);
/// A repository, since when and up to when its claims became known, and they.
type StretchRow = (Name, i64, i64, Stretch);

fn moment(micros: i64) -> Result<Timestamp, StateError> {
    Timestamp::from_microsecond(micros).map_err(|error| StateError::corrupt(error.to_string()))
}

pub(crate) fn facts(text: Option<&str>) -> Result<Vec<Recorded>, StateError> {
    let rows: Vec<FactRow> = text.map_or_else(|| Ok(Vec::new()), parse)?;
    let recorded = rows.into_iter().map(|(at, known, fact)| {
        Ok(Recorded {
            at: moment(at)?,
            known: moment(known)?,
            fact,
        })
    });
    recorded.collect()
}

pub(crate) fn stretches(text: Option<&str>) -> Result<Vec<KeptStretch>, StateError> {
    let rows: Vec<StretchRow> = text.map_or_else(|| Ok(Vec::new()), parse)?;
    let kept = rows.into_iter().map(|(repository, from, to, stretch)| {
        Ok(KeptStretch {
            repository,
            known_from: moment(from)?,
            known_to: moment(to)?,
            stretch: Arc::new(stretch),
        })
    });
    kept.collect()
}
