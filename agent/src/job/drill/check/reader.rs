//! Who asks the queries of a drill: a role that may read everything and nothing else.
//!
//! Whoever may write a policy must not thereby become a superuser of a host's
//! PostgreSQL, who can run programs there.

use holdfast_pg::sql::Session;
use uuid::Uuid;

use super::super::server::Server;
use crate::job::backup::Stopped;
use crate::job::dump::quoted;

/// No query of a drill takes longer.
const STATEMENT_TIMEOUT: &str = "30min";

/// A role that was made for one drill.
pub(super) struct Reader {
    role: String,
}

impl Reader {
    pub(super) async fn make(server: &Server, databases: &[String]) -> Result<Self, Stopped> {
        // A name that nothing in the copy has.
        let role = format!("holdfast_drill_{}", Uuid::new_v4().simple());
        let session = server.any_session().await?;
        let make = format!(
            "SET session_replication_role = replica; \
             CREATE ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION BYPASSRLS \
             IN ROLE pg_read_all_data",
            quoted(&role)
        );
        session.execute(&make).await?;
        for database in databases {
            // Whoever closed it to others did so for the original's users.
            let open = format!(
                "GRANT CONNECT ON DATABASE {} TO {}",
                quoted(database),
                quoted(&role)
            );
            session.execute(&open).await?;
        }
        Ok(Self { role })
    }

    /// A session with a database, read-only, in UTC.
    pub(super) async fn session(
        &self,
        server: &Server,
        database: &str,
    ) -> Result<Session, holdfast_pg::Error> {
        let session = server.session(&self.role, database).await?;
        let set = format!(
            "SET default_transaction_read_only = on; SET timezone = 'UTC'; \
             SET datestyle = 'ISO, YMD'; SET statement_timeout = '{STATEMENT_TIMEOUT}'; \
             SET lock_timeout = '1min'"
        );
        session.execute(&set).await?;
        Ok(session)
    }
}
