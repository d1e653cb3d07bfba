//! The database that is filled.

use std::time::Duration;

use holdfast_pg::sql::Session;
use holdfast_proto::DumpRestoreWork;
use holdfast_types::Failure;

use super::Leftover;
use super::prepare::Ready;
use crate::host::Host;
use crate::job::JobContext;
use crate::job::backup::Stopped;
use crate::job::dump::{quoted, quoted_text};
use crate::job::unfinished::{self, Note, Unfinished};

/// How often and for how long a database that is still looked at (by autovacuum,
/// say) is given its name.
const ATTEMPTS: u32 = 10;
const BETWEEN: Duration = Duration::from_millis(500);

/// Everything in a database that initdb did not make. `pg_shdepend` is left
/// out: it is of the whole server.
const CONTENT: &str = "\
SELECT (SELECT count(*) FROM pg_class WHERE oid >= 16384) \
     + (SELECT count(*) FROM pg_proc WHERE oid >= 16384) \
     + (SELECT count(*) FROM pg_type WHERE oid >= 16384) \
     + (SELECT count(*) FROM pg_namespace WHERE oid >= 16384 AND nspname !~ '^pg_(toast_)?temp_') \
     + (SELECT count(*) FROM pg_extension WHERE oid >= 16384) \
     + (SELECT count(*) FROM pg_largeobject_metadata) \
     + (SELECT count(*) FROM pg_event_trigger) \
     + (SELECT count(*) FROM pg_publication)";

/// The database that pg_restore fills.
pub(super) struct Target {
    /// Its name while it is filled.
    pub(super) name: String,
    /// It was there before and was empty.
    pub(super) in_place: bool,
    /// That it is there under that name.
    note: Option<Note>,
}

impl Target {
    /// Finds the empty database of that name, or makes one of another name.
    pub(super) async fn make(
        work: &DumpRestoreWork,
        ready: &Ready,
        cx: &JobContext,
        (host, leftover): (&Host, Leftover),
    ) -> Result<Self, Stopped> {
        drop_left(ready, host).await?;
        let into = &work.request.into;
        if exists(&ready.session, into).await? {
            refuse_content(ready, into).await?; // I-12
            cx.log(format!(
                "database \"{into}\" is there and empty: it is filled in place"
            ));
            return Ok(Self {
                name: into.clone(),
                in_place: true,
                note: None,
            });
        }
        // Named after the job: what an attempt that was killed left is ours.
        let name = format!("holdfast_{}", work.job.uuid().simple());
        let database = Unfinished::Database {
            system_identifier: ready.facts.system_identifier,
            name: name.clone(),
        };
        let note = match leftover {
            Leftover::Noted => Some(Note::write(host.data_dir(), work.job, &database)?),
            Leftover::GoesWithServer => None,
        };
        drop_database(&ready.session, &name).await?;
        let create = create(work, ready, &name).await?;
        ready.session.execute(&create).await?;
        Ok(Self {
            name,
            in_place: false,
            note,
        })
    }

    /// Gives it the name that was asked for.
    pub(super) async fn publish(
        &self,
        work: &DumpRestoreWork,
        ready: &Ready,
    ) -> Result<(), Stopped> {
        if self.in_place {
            return Ok(());
        }
        let into = &work.request.into;
        let rename = format!(
            "ALTER DATABASE {} RENAME TO {}",
            quoted(&self.name),
            quoted(into)
        );
        let mut left = ATTEMPTS;
        loop {
            // PostgreSQL refuses a name that is taken meanwhile (I-12).
            match ready.session.execute(&rename).await {
                Ok(()) => return Ok(()),
                Err(error) if left == 0 || exists(&ready.session, into).await? => {
                    return Err(error.into());
                }
                Err(_) => left -= 1,
            }
            tokio::time::sleep(BETWEEN).await;
        }
    }

    /// Takes away what was made, and says what is left.
    pub(super) async fn give_up(mut self, ready: &Ready) -> String {
        let name = &self.name;
        if self.in_place {
            return format!(
                "database \"{name}\" was there before and may hold a part of the dump: drop it \
                 before the next attempt"
            );
        }
        match drop_database(&ready.session, name).await {
            Ok(()) => {
                self.settle();
                "nothing of it is left on the server".to_owned()
            }
            Err(error) => format!("database \"{name}\" is left and can be dropped ({error:?})"),
        }
    }
}

impl Target {
    /// Nothing is there any more under a name that only we know.
    pub(super) fn settle(&mut self) {
        if let Some(note) = self.note.take() {
            note.settle();
        }
    }
}

/// Drops what restores into this server have left whose agent died.
async fn drop_left(ready: &Ready, host: &Host) -> Result<(), Stopped> {
    for (note, what) in unfinished::left(host.data_dir()) {
        match what {
            Unfinished::Database {
                system_identifier,
                name,
            } if system_identifier == ready.facts.system_identifier => {
                drop_database(&ready.session, &name).await?;
                tracing::info!(
                    database = name,
                    "a database that was never whole is dropped"
                );
                note.settle();
            }
            Unfinished::Database { .. } | Unfinished::Server { .. } => {}
        }
    }
    Ok(())
}

async fn exists(session: &Session, name: &str) -> Result<bool, Stopped> {
    let query = "SELECT count(*) FROM pg_database WHERE datname = $1::text::name";
    let row = session.row(query, &[&name]).await?;
    Ok(row.try_get::<_, i64>(0).unwrap_or(0) > 0)
}

async fn drop_database(session: &Session, name: &str) -> Result<(), Stopped> {
    let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(name));
    Ok(session.execute(&drop).await?)
}

/// A restore never overwrites what it was not told to (I-12).
async fn refuse_content(ready: &Ready, name: &str) -> Result<(), Stopped> {
    let session = Session::connect(&ready.info.with_database(name)).await?;
    let row = session.row(CONTENT, &[]).await?;
    // What cannot be counted is not empty.
    let content: i64 = row.try_get(0).unwrap_or(i64::MAX);
    if content == 0 {
        return Ok(());
    }
    Err(Stopped::Failed(Failure::permanent(
        "database_not_empty",
        format!("the database \"{name}\" is there and is not empty ({content} objects)"),
        "a restore never overwrites: name a database that is not there yet or holds nothing, and \
         rename it afterwards",
    )))
}

/// `CREATE DATABASE` for a database like the one that was dumped.
async fn create(work: &DumpRestoreWork, ready: &Ready, name: &str) -> Result<String, Stopped> {
    let locale = &ready.database.locale;
    let mut text = format!(
        "CREATE DATABASE {} TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {}",
        quoted(name),
        quoted_text(&locale.encoding),
        quoted_text(&locale.collate),
        quoted_text(&locale.ctype),
    );
    let major = ready.facts.server_version_num / 10_000;
    if major >= 15 && !locale.provider.is_empty() {
        text.push_str(&format!(" LOCALE_PROVIDER {}", quoted(&locale.provider)));
        let option = match locale.provider.as_str() {
            "icu" => Some("ICU_LOCALE"),
            "builtin" => Some("BUILTIN_LOCALE"),
            _ => None,
        };
        if let (Some(option), Some(value)) = (option, &locale.locale) {
            text.push_str(&format!(" {option} {}", quoted_text(value)));
        }
        if let Some(rules) = locale.icu_rules.as_ref().filter(|_| major >= 16) {
            text.push_str(&format!(" ICU_RULES {}", quoted_text(rules)));
        }
    }
    let owner = match &work.request.owner {
        Some(owner) => Some(owner.clone()),
        None => may_own(&ready.session, &ready.database.owner).await?,
    };
    if let Some(owner) = owner {
        text.push_str(&format!(" OWNER {}", quoted(&owner)));
    }
    Ok(text)
}

/// The owner in the dump, if the server has it and we may give to it.
async fn may_own(session: &Session, owner: &str) -> Result<Option<String>, Stopped> {
    let query = "SELECT count(*) FROM pg_roles r WHERE r.rolname = $1::text::name \
                    AND pg_has_role(current_user, r.oid, 'MEMBER')";
    let row = session.row(query, &[&owner]).await?;
    let may = row.try_get::<_, i64>(0).unwrap_or(0) > 0;
    Ok(may.then(|| owner.to_owned()))
}
