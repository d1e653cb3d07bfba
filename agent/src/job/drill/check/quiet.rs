//! Nothing in the copy reaches out when it is asked: what wraps other servers' tables
//! works no more, and neither do functions that speak to others.

use holdfast_pg::sql::Session;

use super::super::server::Server;
use crate::job::backup::Stopped;
use crate::job::dump::quoted;

const WRAPPERS: &str = "SELECT fdwname::text FROM pg_foreign_data_wrapper WHERE fdwhandler <> 0";

/// Functions of extensions that connect to somewhere, and those in languages whose
/// functions can do whatever the server's user can.
const FUNCTIONS: &str = "\
SELECT DISTINCT p.oid::regprocedure::text, p.prokind = 'p' FROM pg_proc p \
  JOIN pg_language l ON l.oid = p.prolang \
  LEFT JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e' \
  LEFT JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND e.oid = d.refobjid \
 WHERE p.prokind <> 'a' AND (e.extname IN ('dblink', 'http', 'pg_net', 'pg_curl', 'aws_s3', \
        'aws_lambda', 'postgres_protobuf', 'plproxy', 'pgmq_http', 'pg_background') \
    OR NOT l.lanpltrusted AND l.lanname NOT IN ('internal', 'c'))";

/// In every database, before anybody asks anything.
pub(super) async fn make(server: &Server, databases: &[String]) -> Result<(), Stopped> {
    for database in databases {
        let session = server.session(&server.superuser, database).await?;
        // No trigger that was copied answers to what we change.
        session
            .execute("SET session_replication_role = replica")
            .await?;
        cut_wrappers(&session).await?;
        revoke(&session).await?;
    }
    Ok(())
}

async fn cut_wrappers(session: &Session) -> Result<(), Stopped> {
    for row in session.rows(WRAPPERS, &[]).await? {
        let name: String = row.try_get(0).unwrap_or_default();
        let cut = format!("ALTER FOREIGN DATA WRAPPER {} NO HANDLER", quoted(&name));
        session.execute(&cut).await?;
    }
    Ok(())
}

async fn revoke(session: &Session) -> Result<(), Stopped> {
    for row in session.rows(FUNCTIONS, &[]).await? {
        let name: String = row.try_get(0).unwrap_or_default();
        let is_procedure: bool = row.try_get(1).unwrap_or(false);
        let what = if is_procedure {
            "PROCEDURE"
        } else {
            "FUNCTION"
        };
        // Its name is quoted as far as it has to be.
        session
            .execute(&format!("REVOKE ALL ON {what} {name} FROM PUBLIC"))
            .await?;
    }
    Ok(())
}
