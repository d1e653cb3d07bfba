//! A query and what it is expected to answer.

use holdfast_types::drill::DrillOrder;
use holdfast_types::resource::Check;

use super::super::findings::Findings;
use super::super::server::Server;
use super::Seen;
use super::reader::Reader;

/// The part of an answer that is kept.
const SEEN_CHARS: usize = 500;

/// The database that a query is for: its own, the drill's, the only one there is beside
/// `postgres`, else that.
pub(super) fn database_of(check: &Check, order: &DrillOrder, databases: &[String]) -> String {
    let named = check.database.as_ref().or(order.database.as_ref());
    if let Some(named) = named {
        return named.clone();
    }
    let mut others = databases.iter().filter(|name| *name != "postgres");
    match (others.next(), others.next()) {
        (Some(only), None) => only.clone(),
        _ => "postgres".to_owned(),
    }
}

pub(super) async fn run(
    check: &Check,
    (order, database): (&DrillOrder, &str),
    (server, reader): (&Server, &Reader),
    findings: &Findings,
) -> Seen {
    let (Some(sql), Some(expect)) = (&check.sql, &check.expect) else {
        return Seen::failed("it asks nothing");
    };
    let answer = match ask(sql, database, server, reader).await {
        Ok(answer) => answer,
        Err(why) => return Seen::failed(why),
    };
    let before = order.before.as_ref();
    let before = before.and_then(|before| before.seen(&check.shown(), Some(database)));
    let judged = expect.judge(answer.as_deref(), findings.evidence.target_at, before);
    Seen {
        seen: answer.map(|text| text.chars().take(SEEN_CHARS).collect()),
        passed: judged.passed,
        why: judged.why.chars().take(2 * SEEN_CHARS).collect(),
    }
}

/// The first column of the first row; `None` for null, and where there is no row.
async fn ask(
    sql: &str,
    database: &str,
    server: &Server,
    reader: &Reader,
) -> Result<Option<String>, String> {
    let session = reader.session(server, database).await;
    let session = session.map_err(|error| format!("database {database}: {error}"))?;
    if reader.is_strict() {
        // One statement in a transaction of ours: it can neither end that nor begin one
        // that writes.
        let begun = session.execute("BEGIN TRANSACTION READ ONLY").await;
        begun.map_err(|error| told(&error))?;
        let one = session.check_single(sql).await;
        one.map_err(|error| told(&error))?;
    }
    session.text(sql).await.map_err(|error| told(&error))
}

/// PostgreSQL's own words.
fn told(error: &holdfast_pg::Error) -> String {
    match error {
        holdfast_pg::Error::Server { message, .. }
        | holdfast_pg::Error::NotPermitted { message, .. } => {
            format!("{} ({})", message.message, message.sqlstate)
        }
        other => crate::failure::chain(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_asked_where_it_is_meant() {
        let order = |database: Option<&str>| -> DrillOrder {
            serde_json::from_value(serde_json::json!({
                "cluster": "orders", "at": "latest", "askedAt": "2026-02-03T02:00:00Z",
                "database": database,
            }))
            .unwrap()
        };
        let names = |names: &[&str]| -> Vec<String> {
            names.iter().map(|name| (*name).to_owned()).collect()
        };
        let own = Check {
            database: Some("own".to_owned()),
            ..Check::default()
        };
        let any = Check::default();
        let one = names(&["postgres", "shop"]);
        assert_eq!(database_of(&own, &order(Some("drill")), &one), "own");
        assert_eq!(database_of(&any, &order(Some("drill")), &one), "drill");
        assert_eq!(database_of(&any, &order(None), &one), "shop");
        let several = names(&["a", "b", "postgres"]);
        assert_eq!(database_of(&any, &order(None), &several), "postgres");
        assert_eq!(
            database_of(&any, &order(None), &names(&["postgres"])),
            "postgres"
        );
    }
}
