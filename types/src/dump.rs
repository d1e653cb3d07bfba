//! Logical dumps: what is asked for when one is taken, and when one is
//! restored.

use serde::{Deserialize, Serialize};

use crate::backup::as_word;
use crate::{BackupId, Name};

/// Every connectable database that is no template.
pub const ALL_DATABASES: &str = "*";
/// More connections than a server would thank for.
pub const DUMP_JOBS_MAX: u32 = 64;
/// More databases than anyone names one by one.
const DATABASES_MAX: usize = 1000;
/// The longest name that PostgreSQL keeps (`NAMEDATALEN` less its zero).
const NAME_BYTES_MAX: usize = 63;

/// How a database is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum DumpFormat {
    /// `pg_dump --format=custom`: one file, written by one process straight
    /// into the repository.
    #[default]
    Custom,
    /// `pg_dump --format=directory`: a file per table, written by several
    /// processes, on the agent's disk first.
    Directory,
}

as_word!(DumpFormat { Custom = "custom", Directory = "directory" });

/// What a dump holds and how it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct DumpOptions {
    /// Names of databases, or `*` alone: all that can be connected to and are
    /// no templates.
    pub databases: Vec<String>,
    /// How a database is written down.
    pub format: DumpFormat,
    /// How many processes write one database; more than one need `directory`.
    #[cfg_attr(feature = "schema", schema(minimum = 1, maximum = 64))]
    pub jobs: u32,
    /// Whether roles, tablespaces and their settings are in it.
    pub globals: bool,
    /// Whether it holds definitions only, and no rows.
    pub schema_only: bool,
}

impl Default for DumpOptions {
    fn default() -> Self {
        Self {
            databases: vec![ALL_DATABASES.to_owned()],
            format: DumpFormat::default(),
            jobs: 1,
            globals: true,
            schema_only: false,
        }
    }
}

/// A field that does not hold what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct InvalidDump {
    /// Which.
    pub field: &'static str,
    /// Why.
    pub message: String,
}

fn invalid(field: &'static str, message: impl Into<String>) -> InvalidDump {
    let message = message.into();
    InvalidDump { field, message }
}

impl DumpOptions {
    /// Whether all databases are meant.
    pub fn is_of_all(&self) -> bool {
        self.databases == [ALL_DATABASES]
    }

    /// Checks what the shape alone cannot say.
    pub fn check(&self) -> Result<(), InvalidDump> {
        const DATABASES: &str = "databases";
        if self.databases.is_empty() {
            let message = "name a database, or * for all of them";
            return Err(invalid(DATABASES, message));
        }
        if self.databases.len() > DATABASES_MAX {
            let message = format!("at most {DATABASES_MAX} databases are named; * is all of them");
            return Err(invalid(DATABASES, message));
        }
        let mut seen = std::collections::BTreeSet::new();
        for name in &self.databases {
            if name == ALL_DATABASES && self.databases.len() > 1 {
                return Err(invalid(DATABASES, "* stands alone: it is all of them"));
            }
            check_name(DATABASES, name)?;
            if !seen.insert(name) {
                return Err(invalid(DATABASES, format!("\"{name}\" is named twice")));
            }
        }
        check_jobs(self.jobs)?;
        if self.jobs > 1 && self.format == DumpFormat::Custom {
            let message = "one process writes a custom dump; several need format: directory";
            return Err(invalid("jobs", message));
        }
        Ok(())
    }
}

fn check_jobs(jobs: u32) -> Result<(), InvalidDump> {
    if (1..=DUMP_JOBS_MAX).contains(&jobs) {
        return Ok(());
    }
    Err(invalid(
        "jobs",
        format!("1 to {DUMP_JOBS_MAX} processes can work at once"),
    ))
}

fn check_name(field: &'static str, name: &str) -> Result<(), InvalidDump> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.contains('\0') {
        let message = format!("a name in PostgreSQL has 1 to {NAME_BYTES_MAX} bytes");
        return Err(invalid(field, message));
    }
    Ok(())
}

/// One database of a dump, to be restored into a running server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct DumpRestoreRequest {
    /// The cluster whose dump it is.
    #[cfg_attr(feature = "schema", schema(value_type = String, example = "orders"))]
    pub cluster: Name,
    /// The dump; the newest available one when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub backup: Option<BackupId>,
    /// The database, by its name in the dump.
    #[cfg_attr(feature = "schema", schema(example = "shop"))]
    pub database: String,
    /// The database to make: it is not there yet, or holds nothing.
    #[cfg_attr(feature = "schema", schema(example = "shop_yesterday"))]
    pub into: String,
    /// The cluster on whose primary it is made; the same one when it is not
    /// said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub to_cluster: Option<Name>,
    /// How many processes restore; 1 when it is not said.
    #[serde(default = "one")]
    #[cfg_attr(feature = "schema", schema(minimum = 1, maximum = 64))]
    pub jobs: u32,
    /// The role that shall own everything; the roles of the dump when it is
    /// not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Leave out what is granted to whom.
    #[serde(default)]
    pub no_privileges: bool,
}

const fn one() -> u32 {
    1
}

impl DumpRestoreRequest {
    /// The cluster on whose primary it is made.
    pub fn target(&self) -> &Name {
        self.to_cluster.as_ref().unwrap_or(&self.cluster)
    }

    /// Checks what the shape alone cannot say.
    pub fn check(&self) -> Result<(), InvalidDump> {
        check_name("database", &self.database)?;
        check_name("into", &self.into)?;
        if let Some(owner) = &self.owner {
            check_name("owner", owner)?;
        }
        check_jobs(self.jobs)
    }
}

/// What a restored dump left behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct DumpRestoreResult {
    /// The dump.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub backup: BackupId,
    /// The database in the dump.
    pub database: String,
    /// The database that was made.
    pub into: String,
    /// The cluster on whose primary it is.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub cluster: Name,
    /// The time at which the rows were so.
    pub consistent_at: jiff::Timestamp,
    /// Entries of the archive's table of contents.
    pub objects: u64,
    /// Bytes of the archive.
    pub archive_bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(options: &DumpOptions) -> (&'static str, String) {
        let error = options.check().unwrap_err();
        (error.field, error.message)
    }

    #[test]
    fn a_dump_is_of_everything_unless_it_is_said() {
        let read: DumpOptions = serde_json::from_str("{}").unwrap();
        assert_eq!(read, DumpOptions::default());
        assert!(read.is_of_all() && read.globals && !read.schema_only);
        read.check().unwrap();
        assert!(serde_json::from_str::<DumpOptions>(r#"{"tables":["x"]}"#).is_err());
    }

    #[test]
    fn what_cannot_be_dumped_is_named() {
        let of = |databases: &[&str]| DumpOptions {
            databases: databases.iter().map(|name| (*name).to_owned()).collect(),
            ..DumpOptions::default()
        };
        for (databases, why) in [
            (&[][..], "name a database"),
            (&["*", "shop"], "stands alone"),
            (&["shop", "shop"], "named twice"),
            (&[""], "1 to 63 bytes"),
            (&["x\0"], "1 to 63 bytes"),
        ] {
            let (field, message) = refused(&of(databases));
            assert!(field == "databases" && message.contains(why), "{message}");
        }
        let jobs = |jobs, format| DumpOptions {
            jobs,
            format,
            ..DumpOptions::default()
        };
        assert_eq!(refused(&jobs(0, DumpFormat::Directory)).0, "jobs");
        assert_eq!(refused(&jobs(65, DumpFormat::Directory)).0, "jobs");
        assert!(
            refused(&jobs(2, DumpFormat::Custom))
                .1
                .contains("format: directory")
        );
        jobs(64, DumpFormat::Directory).check().unwrap();
        // The names that break scripts are names all the same.
        of(&["a b", "x'y", "p=q", "[z]", "ü#\\"]).check().unwrap();
    }
}
