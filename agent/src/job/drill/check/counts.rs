//! The rows of each table against the drill before.
//!
//! The largest tables are counted, one by one and exactly. A table that was counted
//! before and is gone has lost all of its rows; one that is new has nothing to be
//! compared with. Unlogged tables are empty after every restore and are left out.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use holdfast_types::drill::{DrillOrder, Expect, ROW_COUNTS_MAX};
use holdfast_types::resource::Check;

use super::super::findings::Findings;
use super::super::server::Server;
use super::Seen;
use super::reader::Reader;

/// Tables that a failure names.
const NAMED: usize = 5;

const TABLES: &str = "\
SELECT format('%I.%I', n.nspname, c.relname), c.relpages::int8 FROM pg_class c \
  JOIN pg_namespace n ON n.oid = c.relnamespace \
 WHERE c.relkind IN ('r', 'm') AND c.relpersistence = 'p' AND c.relispopulated \
   AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' \
 ORDER BY c.relpages DESC, 1";

struct Table {
    database: String,
    name: String,
    pages: i64,
}

pub(super) async fn run(
    check: &Check,
    order: &DrillOrder,
    (server, reader, databases): (&Server, &Reader, &[String]),
    findings: &mut Findings,
) -> Seen {
    let Some(expect) = &check.row_counts else {
        return Seen::failed("it compares nothing");
    };
    let counted = match count(server, reader, databases).await {
        Ok(counted) => counted,
        Err(error) => return Seen::failed(error),
    };
    let empty = BTreeMap::new();
    let before = order
        .before
        .as_ref()
        .map_or(&empty, |before| &before.row_counts);
    let seen = compare(expect, &counted, before);
    findings.evidence.row_counts = counted;
    seen
}

async fn count(
    server: &Server,
    reader: &Reader,
    databases: &[String],
) -> Result<BTreeMap<String, u64>, String> {
    let failed = |error: holdfast_pg::Error| crate::failure::chain(&error);
    let mut tables = Vec::new();
    for database in databases {
        let session = reader.session(server, database).await.map_err(failed)?;
        for row in session.rows(TABLES, &[]).await.map_err(failed)? {
            tables.push(Table {
                database: database.clone(),
                name: row.try_get(0).unwrap_or_default(),
                pages: row.try_get(1).unwrap_or(0),
            });
        }
    }
    tables.sort_by_key(|table| Reverse(table.pages));
    tables.truncate(ROW_COUNTS_MAX);
    let mut counted = BTreeMap::new();
    for database in databases {
        let here = tables.iter().filter(|table| table.database == *database);
        let session = reader.session(server, database).await.map_err(failed)?;
        for table in here {
            let query = format!("SELECT count(*) FROM ONLY {}", table.name);
            let row = session.row(&query, &[]).await.map_err(failed)?;
            let rows: i64 = row.try_get(0).unwrap_or(0);
            let name = format!("{database}.{}", table.name);
            counted.insert(name, u64::try_from(rows).unwrap_or(0));
        }
    }
    Ok(counted)
}

fn compare(
    expect: &Expect,
    counted: &BTreeMap<String, u64>,
    before: &BTreeMap<String, u64>,
) -> Seen {
    let total: u64 = counted.values().sum();
    let seen = Some(format!("{total} rows in {} tables", counted.len()));
    // As many as are counted were counted: whether the rest is gone is not known.
    let full = counted.len() >= ROW_COUNTS_MAX;
    let mut strayed = Vec::new();
    for (table, was) in before {
        let now = match counted.get(table) {
            Some(now) => *now,
            None if full => continue,
            None => 0,
        };
        let (now, was) = (now.to_string(), was.to_string());
        let judged = expect.judge(Some(&now), None, Some(&was));
        if !judged.passed {
            let gone = if counted.contains_key(table) {
                ""
            } else {
                " (gone)"
            };
            strayed.push(format!("{table}{gone}: {}", judged.why));
        }
    }
    if strayed.is_empty() {
        let why = match before.len() {
            0 => "there is no drill before to compare with".to_owned(),
            tables => format!("{tables} tables compared with the drill before"),
        };
        return Seen {
            seen,
            passed: true,
            why,
        };
    }
    let more = match strayed.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    strayed.truncate(NAMED);
    Seen {
        seen,
        passed: false,
        why: format!("{}{more}", strayed.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(pairs: &[(&str, u64)]) -> BTreeMap<String, u64> {
        let owned = |(name, rows): &(&str, u64)| ((*name).to_owned(), *rows);
        pairs.iter().map(owned).collect()
    }

    fn judge(now: &[(&str, u64)], before: &[(&str, u64)]) -> Seen {
        let expect: Expect = "drift <= 10%".parse().unwrap();
        compare(&expect, &counts(now), &counts(before))
    }

    #[test]
    fn a_table_that_strayed_or_went_is_named() {
        assert!(judge(&[("a", 5)], &[]).passed);
        assert!(judge(&[("a", 95), ("new", 1)], &[("a", 100)]).passed);
        let strayed = judge(&[("a", 80), ("b", 100)], &[("a", 100), ("b", 100)]);
        assert!(
            !strayed.passed && strayed.why.starts_with("a: "),
            "{}",
            strayed.why
        );
        let gone = judge(&[("a", 100)], &[("a", 100), ("b", 100)]);
        assert!(
            !gone.passed && gone.why.starts_with("b (gone): "),
            "{}",
            gone.why
        );
        assert_eq!(gone.seen.as_deref(), Some("100 rows in 1 tables"));
    }
}
