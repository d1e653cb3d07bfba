//! What the backup role needs, as exact statements.
//!
//! | right | for |
//! |---|---|
//! | `LOGIN REPLICATION` | receiving WAL, making, advancing and dropping slots |
//! | `pg_monitor` | settings such as `data_directory`, sizes of databases it cannot connect to, slots and archiver |
//! | EXECUTE on the backup functions | starting and stopping a base backup |
//! | EXECUTE on `pg_switch_wal()` | closing a segment so that it can be stored whole |
//! | EXECUTE on `pg_create_restore_point(text)` | named restore points |
//!
//! `pg_control_system()` and `pg_control_checkpoint()` are open to everybody.
//! Rights on functions are kept per database: they are granted in the database
//! that the connection names (`dbname`, else `postgres`).

use super::Session;
use crate::Error;

/// One right that is missing and the statement that gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lacking {
    /// What cannot be done without it.
    pub purpose: &'static str,
    /// The statement, to be run by a superuser in the connection's database.
    pub statement: String,
}

/// A function that only superusers may run until they grant it.
struct Guarded {
    signature: &'static str,
    purpose: &'static str,
}

const SWITCH: Guarded = Guarded {
    signature: "pg_switch_wal()",
    purpose: "closing a WAL segment",
};
const RESTORE_POINT: Guarded = Guarded {
    signature: "pg_create_restore_point(text)",
    purpose: "creating named restore points",
};

/// The functions differ before 15, where backups could also be exclusive.
fn guarded(server_version_num: i32) -> [Guarded; 4] {
    let (start, stop) = if server_version_num < 150_000 {
        (
            "pg_start_backup(text, boolean, boolean)",
            "pg_stop_backup(boolean, boolean)",
        )
    } else {
        ("pg_backup_start(text, boolean)", "pg_backup_stop(boolean)")
    };
    [
        Guarded {
            signature: start,
            purpose: "starting a base backup",
        },
        Guarded {
            signature: stop,
            purpose: "stopping a base backup",
        },
        SWITCH,
        RESTORE_POINT,
    ]
}

fn execute_on(function: &Guarded, role: &str) -> String {
    format!(
        "GRANT EXECUTE ON FUNCTION {} TO {role};",
        function.signature
    )
}

/// Every statement that makes `role` a backup role on that version, password
/// aside.
pub fn grants(server_version_num: i32, role: &str) -> Vec<String> {
    let role = format!("\"{}\"", role.replace('"', "\"\""));
    let mut statements = vec![
        format!("CREATE ROLE {role} LOGIN REPLICATION;"),
        format!("GRANT pg_monitor TO {role};"),
    ];
    statements.extend(
        guarded(server_version_num)
            .iter()
            .map(|f| execute_on(f, &role)),
    );
    statements
}

/// The rights that the connected role lacks.
pub async fn lacking(session: &Session) -> Result<Vec<Lacking>, Error> {
    let query = "SELECT quote_ident(rolname), rolreplication OR rolsuper, \
                 pg_has_role(current_user, 'pg_monitor', 'USAGE') \
                 FROM pg_roles WHERE rolname = current_user";
    let row = session.row(query, &[]).await?;
    let role: String = session.get(&row, 0)?;
    let mut found = Vec::new();
    if !session.get::<bool>(&row, 1)? {
        let statement = format!("ALTER ROLE {role} REPLICATION;");
        found.push(Lacking {
            purpose: "receiving WAL and keeping a slot",
            statement,
        });
    }
    if !session.get::<bool>(&row, 2)? {
        let statement = format!("GRANT pg_monitor TO {role};");
        found.push(Lacking {
            purpose: "reading settings, sizes and slots",
            statement,
        });
    }
    for function in guarded(session.server_version_num()) {
        let query = "SELECT has_function_privilege($1, 'EXECUTE')";
        let row = session.row(query, &[&function.signature]).await?;
        if !session.get::<bool>(&row, 0)? {
            let statement = execute_on(&function, &role);
            found.push(Lacking {
                purpose: function.purpose,
                statement,
            });
        }
    }
    Ok(found)
}
