//! Which databases a dump is of.

use holdfast_pg::sql::Session;
use holdfast_repo::DatabaseLocale;
use holdfast_types::{DumpOptions, Failure};

use crate::job::backup::Stopped;

/// A database of the server.
#[derive(Debug, Clone)]
pub(super) struct Database {
    pub(super) name: String,
    pub(super) owner: String,
    pub(super) locale: DatabaseLocale,
    /// All of its files; 0 when we may not know.
    pub(super) bytes: u64,
}

/// One query for 14 to 18: a column that a version does not have is null. An
/// interrupted DROP DATABASE leaves one with a connection limit of -2, which
/// nobody can connect to.
const DATABASES: &str = "\
SELECT d.datname::text, pg_get_userbyid(d.datdba)::text, \
       pg_encoding_to_char(d.encoding)::text, d.datcollate::text, d.datctype::text, \
       CASE coalesce(j ->> 'datlocprovider', 'c') \
            WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE 'libc' END, \
       coalesce(j ->> 'datlocale', j ->> 'daticulocale'), j ->> 'daticurules', \
       d.datallowconn AND d.datconnlimit <> -2, d.datistemplate, \
       CASE WHEN has_database_privilege(d.oid, 'CONNECT') \
                 OR pg_has_role('pg_read_all_stats', 'MEMBER') \
            THEN pg_database_size(d.oid) ELSE 0 END \
  FROM pg_database d, LATERAL (SELECT to_jsonb(d) AS j) AS json \
 ORDER BY d.datname";

/// Those that `options` mean. One that is named and cannot be dumped is a
/// failure: a dump that lacks what was asked for is none.
pub(super) async fn select(
    session: &Session,
    options: &DumpOptions,
) -> Result<Vec<Database>, Stopped> {
    let mut found = Vec::new();
    for row in session.rows(DATABASES, &[]).await? {
        let text = |at: usize| row.try_get::<_, Option<String>>(at).ok().flatten();
        let flag = |at: usize| row.try_get::<_, bool>(at).unwrap_or(false);
        let database = Database {
            name: text(0).unwrap_or_default(),
            owner: text(1).unwrap_or_default(),
            locale: DatabaseLocale {
                encoding: text(2).unwrap_or_default(),
                collate: text(3).unwrap_or_default(),
                ctype: text(4).unwrap_or_default(),
                provider: text(5).unwrap_or_default(),
                locale: text(6),
                icu_rules: text(7),
            },
            bytes: row
                .try_get::<_, i64>(10)
                .map_or(0, |bytes| u64::try_from(bytes).unwrap_or(0)),
        };
        found.push((database, flag(8), flag(9)));
    }
    let chosen: Vec<Database> = if options.is_of_all() {
        let wanted = found
            .into_iter()
            .filter(|(_, open, template)| *open && !template);
        wanted.map(|(database, ..)| database).collect()
    } else {
        named(&found, &options.databases)?
    };
    if chosen.is_empty() {
        return Err(Stopped::Failed(Failure::permanent(
            "database_missing",
            "the server has no database that can be connected to and is no template",
            "check that it is the server you mean",
        )));
    }
    Ok(chosen)
}

fn named(found: &[(Database, bool, bool)], names: &[String]) -> Result<Vec<Database>, Failure> {
    let one = |name: &String| {
        let database = found.iter().find(|(database, ..)| database.name == *name);
        match database {
            Some((database, true, _)) => Ok(database.clone()),
            Some((_, false, _)) => Err(Failure::permanent(
                "database_missing",
                format!("the database \"{name}\" does not allow connections"),
                "allow them (ALTER DATABASE … ALLOW_CONNECTIONS true), or leave it out",
            )),
            None => {
                let there: Vec<_> = found.iter().map(|(one, ..)| one.name.as_str()).collect();
                Err(Failure::permanent(
                    "database_missing",
                    format!(
                        "the server has no database \"{name}\"; it has {}",
                        there.join(", ")
                    ),
                    "correct the name, or use * for all databases",
                ))
            }
        }
    };
    names.iter().map(one).collect()
}

/// A name as SQL writes it.
pub(in crate::job) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as SQL writes it, whatever the server thinks of backslashes.
pub(in crate::job) fn quoted_text(text: &str) -> String {
    let escape = if text.contains('\\') { " E" } else { "" };
    let text = text.replace('\'', "''").replace('\\', "\\\\");
    format!("{escape}'{text}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting_is_that_of_sql() {
        assert_eq!(quoted(r#"a"b"#), r#""a""b""#);
        assert_eq!(quoted_text("it's"), "'it''s'");
        assert_eq!(quoted_text(r"a\b'"), r" E'a\\b'''");
    }
}
