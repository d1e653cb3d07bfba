//! The envelope of every resource, and how a document is read.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::{Cluster, Drill, Fleet, Policy, Repository, RoleBinding};
use crate::Name;
use crate::backup::{InvalidWord, as_word};

/// The `apiVersion` of every document.
pub const API_VERSION: &str = "holdfast/v1";

/// Labels of a resource.
pub type Labels = BTreeMap<String, String>;

/// The kinds of resource that can be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum Kind {
    /// A place for backups.
    Repository,
    /// A named set of clusters.
    Fleet,
    /// A PostgreSQL service.
    Cluster,
    /// Objectives bound to clusters by labels.
    Policy,
    /// Rehearsals of restores, bound to clusters by labels.
    DrillPlan,
    /// A role that is given to people.
    RoleBinding,
}

as_word!(Kind {
    Repository = "Repository",
    Fleet = "Fleet",
    Cluster = "Cluster",
    Policy = "Policy",
    DrillPlan = "DrillPlan",
    RoleBinding = "RoleBinding",
});

/// Kinds of the contract whose work is not built yet.
const LATER: [&str; 2] = ["Role", "NotificationChannel"];

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Repository,
        Self::Fleet,
        Self::Cluster,
        Self::Policy,
        Self::DrillPlan,
        Self::RoleBinding,
    ];

    /// The plural in REST paths.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Repository => "repositories",
            Self::Fleet => "fleets",
            Self::Cluster => "clusters",
            Self::Policy => "policies",
            Self::DrillPlan => "drill-plans",
            Self::RoleBinding => "role-bindings",
        }
    }

    /// The kind that a person means by `word`: singular or plural, any case.
    pub fn from_word(word: &str) -> Option<Self> {
        let plain = |word: &str| word.replace('-', "").to_ascii_lowercase();
        let meant = plain(word);
        let same = |kind: &Self| [kind.as_str(), kind.plural()].map(plain).contains(&meant);
        Self::ALL.into_iter().find(same)
    }
}

/// What every resource has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Metadata {
    /// Unique per kind: 1 to 63 of a-z, 0-9 and -.
    #[cfg_attr(feature = "schema", schema(value_type = String, example = "orders"))]
    pub name: Name,
    /// The fleet of a cluster; `default` when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub fleet: Option<Name>,
    /// Labels, for policies to select by.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    #[cfg_attr(feature = "schema", schema(value_type = BTreeMap<String, String>))]
    pub labels: Labels,
}

/// What a resource says, by kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "spec")]
pub enum Resource {
    /// A place for backups.
    Repository(Repository),
    /// A named set of clusters.
    Fleet(Fleet),
    /// A PostgreSQL service.
    Cluster(Cluster),
    /// Objectives, schedules and limits.
    Policy(Box<Policy>),
    /// When restores are rehearsed, and what is checked then.
    DrillPlan(Box<Drill>),
    /// A role that is given to people.
    RoleBinding(RoleBinding),
}

/// A whole, valid document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// Name and labels.
    pub metadata: Metadata,
    /// Kind and spec.
    #[serde(flatten)]
    pub resource: Resource,
}

/// Why a document was refused, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct InvalidDocument {
    /// `not_supported_yet` or `invalid_document`.
    pub code: &'static str,
    /// Path of the field, such as `spec.wal.flushEvery`.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

impl InvalidDocument {
    /// Something is wrong with `field`.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code: "invalid_document",
            field: field.into(),
            message: message.into(),
        }
    }

    /// `field` asks for something that is not built yet.
    pub fn not_yet(field: impl Into<String>) -> Self {
        let message = "this is part of the contract but not supported yet".to_owned();
        Self {
            code: "not_supported_yet",
            field: field.into(),
            message,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Envelope {
    api_version: String,
    kind: String,
    metadata: Metadata,
    #[serde(default)]
    spec: Option<Value>,
}

impl Document {
    /// Reads and checks one document.
    pub fn from_value(value: Value) -> Result<Self, InvalidDocument> {
        let Envelope {
            api_version,
            kind,
            metadata,
            spec,
        } = read("", value)?;
        if api_version != API_VERSION {
            let message = format!("\"{api_version}\" is not {API_VERSION}");
            return Err(InvalidDocument::new("apiVersion", message));
        }
        if LATER.contains(&kind.as_str()) {
            return Err(InvalidDocument::not_yet("kind"));
        }
        let kind = Kind::from_str(&kind)
            .map_err(|error: InvalidWord| InvalidDocument::new("kind", error.to_string()))?;
        if metadata.fleet.is_some() && kind != Kind::Cluster {
            return Err(InvalidDocument::new(
                "metadata.fleet",
                "only a cluster belongs to a fleet",
            ));
        }
        let spec = spec.unwrap_or_else(|| Value::Object(serde_json::Map::new()));
        let resource = match kind {
            Kind::Repository => Resource::Repository(read("spec", spec)?),
            Kind::Fleet => Resource::Fleet(read("spec", spec)?),
            Kind::Cluster => Resource::Cluster(read("spec", spec)?),
            Kind::Policy => Resource::Policy(Box::new(read("spec", spec)?)),
            Kind::DrillPlan => Resource::DrillPlan(Box::new(read("spec", spec)?)),
            Kind::RoleBinding => Resource::RoleBinding(read("spec", spec)?),
        };
        let document = Self { metadata, resource };
        document.check()?;
        Ok(document)
    }

    /// It as people write it.
    pub fn to_value(&self) -> Value {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        if let Value::Object(fields) = &mut value {
            fields.insert("apiVersion".to_owned(), Value::from(API_VERSION));
        }
        value
    }

    /// Its kind.
    pub const fn kind(&self) -> Kind {
        match self.resource {
            Resource::Repository(_) => Kind::Repository,
            Resource::Fleet(_) => Kind::Fleet,
            Resource::Cluster(_) => Kind::Cluster,
            Resource::Policy(_) => Kind::Policy,
            Resource::DrillPlan(_) => Kind::DrillPlan,
            Resource::RoleBinding(_) => Kind::RoleBinding,
        }
    }

    fn check(&self) -> Result<(), InvalidDocument> {
        match &self.resource {
            Resource::Repository(repository) => repository.check(),
            Resource::Fleet(_) => Ok(()),
            Resource::Cluster(cluster) => cluster.check(),
            Resource::Policy(policy) => policy.check(),
            Resource::DrillPlan(drill) => drill.check_plan(&self.metadata.name),
            Resource::RoleBinding(binding) => binding.check(),
        }
    }
}

fn read<T: DeserializeOwned>(prefix: &str, value: Value) -> Result<T, InvalidDocument> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let field = match (prefix, path.as_str()) {
            ("", ".") => "document".to_owned(),
            ("", path) => path.to_owned(),
            (prefix, ".") => prefix.to_owned(),
            (prefix, path) => format!("{prefix}.{path}"),
        };
        InvalidDocument::new(field, for_people(&error.into_inner().to_string()))
    })
}

/// Without the names that types have in our code.
fn for_people(error: &str) -> String {
    for of_code in ["expected struct ", "expected internally tagged enum "] {
        if let Some((before, name)) = error.split_once(of_code) {
            let after = name.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_');
            return format!("{before}expected an object with fields{after}");
        }
    }
    error.to_owned()
}

/// A field of the contract that is not built yet: it is read, so that its name
/// is known, and refused wherever it is set.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NotYet(bool);

impl NotYet {
    pub(super) fn refuse(&self, field: impl fmt::Display) -> Result<(), InvalidDocument> {
        if self.0 {
            Err(InvalidDocument::not_yet(field.to_string()))
        } else {
            Ok(())
        }
    }

    pub(super) fn skip(&self) -> bool {
        true
    }
}

impl Serialize for NotYet {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_none()
    }
}

impl<'de> Deserialize<'de> for NotYet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(deserializer).map(|_| Self(true))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(value: Value) -> (String, &'static str) {
        let error = Document::from_value(value).unwrap_err();
        (error.field, error.code)
    }

    #[test]
    fn an_error_names_no_type_of_ours() {
        let spec = json!({"selector": {}, "repository": "eu", "retention": {"keep": 7}});
        let error = Document::from_value(policy(spec)).unwrap_err();
        assert_eq!(error.field, "spec.retention.keep");
        let expected = "invalid type: integer `7`, expected an object with fields";
        assert_eq!(error.message, expected);
    }

    fn policy(spec: Value) -> Value {
        json!({"apiVersion": API_VERSION, "kind": "Policy", "metadata": {"name": "gold"}, "spec": spec})
    }

    #[test]
    fn the_path_of_the_field_is_in_the_answer() {
        let wal =
            policy(json!({"selector": {}, "repository": "eu", "wal": {"flushEvery": "soon"}}));
        assert_eq!(
            refused(wal),
            ("spec.wal.flushEvery".into(), "invalid_document")
        );
        let unknown = policy(json!({"selector": {}, "repository": "eu", "wall": {}}));
        assert_eq!(refused(unknown), ("spec.wall".into(), "invalid_document"));
        let missing = policy(json!({"selector": {}}));
        assert_eq!(refused(missing), ("spec".into(), "invalid_document"));
        let kind = json!({"apiVersion": API_VERSION, "kind": "Pod", "metadata": {"name": "a"}});
        assert_eq!(refused(kind), ("kind".into(), "invalid_document"));
        let name = json!({"apiVersion": API_VERSION, "kind": "Fleet", "metadata": {"name": "A"}});
        assert_eq!(refused(name), ("metadata.name".into(), "invalid_document"));
    }

    #[test]
    fn what_is_not_built_is_refused_by_name() {
        let scoped = json!({"rpo": "30s", "rpoScope": "regionLoss"});
        let scoped = policy(json!({"selector": {}, "repository": "eu", "objectives": scoped}));
        assert_eq!(
            refused(scoped),
            ("spec.objectives.rpoScope".into(), "invalid_document"),
            "without a copy the loss of a region is the loss of everything"
        );
        let copies = json!([{"repository": "us"}]);
        let objectives = json!({"rpo": "30s", "rpoScope": "regionLoss"});
        let copied = policy(json!({"selector": {}, "repository": "eu", "copies": copies,
            "objectives": objectives}));
        assert!(Document::from_value(copied).is_ok());
        // A relay has no archive_command that could call it.
        for mode in ["archive", "both"] {
            let wal = |wal| policy(json!({"selector": {}, "repository": "eu", "wal": wal}));
            assert!(Document::from_value(wal(json!({"mode": mode}))).is_ok());
            let relayed = wal(json!({"mode": mode, "receiver": "relay"}));
            assert_eq!(
                refused(relayed),
                ("spec.wal.receiver".into(), "invalid_document")
            );
        }
        // Dumps alone need no WAL; other backups carry theirs, and a standby
        // cannot tell how old what it holds is.
        let alone = |kind: &str, from: &str| {
            let dump = json!({"name": "dump", "kind": "logical", "every": "24h"});
            let other = json!({"name": "other", "kind": kind, "every": "24h", "from": from});
            policy(
                json!({"selector": {}, "repository": "eu", "wal": {"mode": "none"},
                "schedules": [dump, other]}),
            )
        };
        for kind in ["logical", "full", "incremental"] {
            assert!(Document::from_value(alone(kind, "primary")).is_ok());
        }
        assert_eq!(
            refused(alone("full", "preferStandby")),
            ("spec.schedules[1].from".into(), "not_supported_yet")
        );
        let role = json!({"apiVersion": API_VERSION, "kind": "Role", "metadata": {"name": "a"}});
        assert_eq!(refused(role), ("kind".into(), "not_supported_yet"));
    }

    #[test]
    fn a_role_is_given_to_users_in_a_scope() {
        let binding = |spec| {
            json!({"apiVersion": API_VERSION, "kind": "RoleBinding", "metadata": {"name": "b"},
                   "spec": spec})
        };
        let ada = json!([{"user": "ada"}]);
        let everything = json!({"selector": {}});
        for scope in [
            &everything,
            &json!({"fleet": "web"}),
            &json!({"selector": {"a": "b"}}),
        ] {
            let written = binding(json!({"role": "operator", "subjects": ada, "scope": scope}));
            let document = Document::from_value(written.clone()).unwrap();
            assert_eq!(document.to_value(), written);
        }
        let refusals = [
            (
                json!("boss"),
                &ada,
                &everything,
                "role",
                "not_supported_yet",
            ),
            (
                json!("viewer"),
                &json!([]),
                &everything,
                "subjects",
                "invalid_document",
            ),
            (
                json!("viewer"),
                &json!([{"user": "ada"}, {"user": "ada"}]),
                &everything,
                "subjects[1].user",
                "invalid_document",
            ),
            (
                json!("viewer"),
                &json!([{"group": "dba"}]),
                &everything,
                "subjects[0].group",
                "not_supported_yet",
            ),
            (
                json!("viewer"),
                &json!([{"serviceAccount": "ci"}]),
                &everything,
                "subjects[0].serviceAccount",
                "not_supported_yet",
            ),
            // Where it holds is said, never assumed.
            (
                json!("viewer"),
                &ada,
                &json!({}),
                "scope",
                "invalid_document",
            ),
            (
                json!("viewer"),
                &ada,
                &json!({"fleet": "web", "selector": {}}),
                "scope",
                "invalid_document",
            ),
        ];
        for (role, subjects, scope, field, code) in refusals {
            let spec = json!({"role": role, "subjects": subjects, "scope": scope});
            assert_eq!(refused(binding(spec)), (format!("spec.{field}"), code));
        }
    }

    #[test]
    fn a_role_without_a_scope_is_refused() {
        let spec = json!({"role": "viewer", "subjects": [{"user": "ada"}]});
        let binding = json!({"apiVersion": API_VERSION, "kind": "RoleBinding",
                             "metadata": {"name": "b"}, "spec": spec});
        assert_eq!(refused(binding), ("spec".into(), "invalid_document"));
    }

    #[test]
    fn approvals_are_of_a_few_people() {
        let approvals =
            |rules| policy(json!({"selector": {}, "repository": "eu", "approvals": rules}));
        let written = approvals(json!({"delete": 2, "shortenRetention": 2}));
        let document = Document::from_value(written.clone()).unwrap();
        assert_eq!(document.to_value(), written);
        // Nothing would ask for it.
        let over = approvals(json!({"restoreOver": 1}));
        let field = "spec.approvals.restoreOver".to_owned();
        assert_eq!(refused(over), (field, "not_supported_yet"));
        for (rules, field) in [
            (json!({"delete": 0}), "delete"),
            (json!({"shortenRetention": 11}), "shortenRetention"),
        ] {
            let field = format!("spec.approvals.{field}");
            assert_eq!(refused(approvals(rules)), (field, "invalid_document"));
        }
    }

    /// I-15: a bound that nobody would keep is not accepted in silence.
    #[test]
    fn a_bound_that_cannot_be_kept_is_refused() {
        let wal = |wal| policy(json!({"selector": {}, "repository": "eu", "wal": wal}));
        for good in [
            json!({"maxRetained": "20%"}),
            json!({"maxRetained": "50GiB", "whenFull": "drop"}),
            json!({"mode": "both", "whenFull": "stall"}),
        ] {
            assert!(Document::from_value(wal(good.clone())).is_ok(), "{good}");
        }
        for (bad, field) in [
            (json!({"maxRetained": "95%"}), "maxRetained"),
            (json!({"maxRetained": "0%"}), "maxRetained"),
            (json!({"maxRetained": "1MiB"}), "maxRetained"),
            (json!({"maxRetained": "much"}), "maxRetained"),
            (json!({"maxRetained": 20}), "maxRetained"),
            (json!({"whenFull": "explode"}), "whenFull"),
            (
                json!({"mode": "archive", "maxRetained": "20%"}),
                "maxRetained",
            ),
            (json!({"mode": "none", "whenFull": "stall"}), "whenFull"),
        ] {
            let field = format!("spec.wal.{field}");
            assert_eq!(refused(wal(bad)), (field, "invalid_document"));
        }
    }

    #[test]
    fn a_document_reads_back_as_it_was_written() {
        let written = policy(json!({
            "selector": {"tier": "gold"},
            "objectives": {"rpo": "30s"},
            "repository": "eu",
            "compression": {"codec": "zstd", "level": 3},
            "wal": {"mode": "streaming", "flushEvery": "1s", "maxRetained": "25%",
                    "whenFull": "stall"},
            "schedules": [
                {"name": "weekly-full", "kind": "full", "cron": "0 2 * * 0",
                 "timezone": "Europe/Vienna", "window": "4h", "jitter": "10m", "from": "primary",
                 "checkpoint": "fast", "catchUp": "all", "catchUpMax": 10},
                {"name": "daily", "kind": "full", "every": "1d",
                 "blackouts": [{"from": "08:00", "to": "18:00"}], "overlap": "queueOne",
                 "priority": 0, "retry": {"max": 3, "idleTimeout": "15m"}},
            ],
            "limits": {"jobsPerHost": 1, "jobsPerRepository": 4, "jobsPerFleet": 20},
        }));
        let document = Document::from_value(written.clone()).unwrap();
        assert_eq!(document.to_value(), written);
    }
}
