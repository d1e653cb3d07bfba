//! Drills as people write them: in a policy, or by themselves as a `DrillPlan`.
//!
//! Reading one checks its shape alone, as with schedules: what it means is checked
//! once, when a person applies it.

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::{CatchUp, InvalidDocument, Labels, Overlap, Schedule};
use crate::drill::{CheckKind, DrillKind, DrillPoint, Expect};
use crate::schedule::{Timetable, Timing};
use crate::{BackupKind, Name, RestoreTarget, Span};

/// More drills than a policy can mean.
const DRILLS_MAX: usize = 16;
/// More checks than anybody reads the results of.
const CHECKS_MAX: usize = 100;
/// The longest query: what a drill asks is in every row of evidence.
const SQL_BYTES_MAX: usize = 4096;
/// The longest name of a plan: the name of its schedule begins with a word of ours.
const PLAN_NAME_MAX: usize = 52;
/// The shortest time between two drills.
const EVERY_LEAST: Span = Span::from_secs(60);
/// Due times that the longest time between two of them is looked for in.
const DUE_TIMES: usize = 500;

/// A rehearsal of restores, and what is checked in it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = DrillSpec))]
pub struct Drill {
    /// Of a DrillPlan: the clusters it is for, those with all of these labels; `{}`
    /// is all. In a policy, which has its own, it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<std::collections::BTreeMap<String, String>>))]
    pub selector: Option<Labels>,
    /// Of one in a policy: unique among its drills and schedules; `drill-1` and so
    /// on when it is not said. A DrillPlan has its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub name: Option<Name>,
    /// When: minute, hour, day of month, month, day of week.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(example = "0 6 * * 1"))]
    pub cron: Option<String>,
    /// The IANA zone of `cron`; `UTC` when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(example = "Europe/Vienna"))]
    pub timezone: Option<String>,
    /// How often, in place of `cron`: whole seconds, from 1m to 366d.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub every: Option<Span>,
    /// The latest start after the due time; without it there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, example = "4h"))]
    pub window: Option<Span>,
    /// To which point: `latest`, `random`, or the target of a restore; `latest` when
    /// it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, example = "latest"))]
    pub at: Option<DrillPoint>,
    /// From a base backup and WAL or from a dump; from whatever there is when it is
    /// not said, the former first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<DrillKind>,
    /// The repository to restore from; the policy's when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub repository: Option<Name>,
    /// On which agent's host; when neither this nor `region` is said, on one that can
    /// and that is not the primary's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub agent: Option<Name>,
    /// On a host of this region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// In which database queries are asked that name none; the only one that is not
    /// `postgres`, else `postgres`, when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// What is checked besides that PostgreSQL starts and reaches the target.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
}

/// One thing to check: a query, `amcheck`, `checksums` or `rowCounts`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = DrillCheck))]
pub struct Check {
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A query, asked read-only; the first column of its first row counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schema(example = "select max(created_at) from orders")
    )]
    pub sql: Option<String>,
    /// What the query is to answer: `= != < <= > >=` a value, `matches /re/`,
    /// `within 10m of target`, `drift <= 5%`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, example = "within 10m of target"))]
    pub expect: Option<Expect>,
    /// In which database; the drill's when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// `true`: `pg_amcheck` finds nothing wrong in any database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amcheck: Option<bool>,
    /// `true`: `pg_checksums` finds the checksum of every page right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksums: Option<bool>,
    /// The rows of each table against the drill before: `drift <= 5%`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, example = "drift <= 5%"))]
    pub row_counts: Option<Expect>,
}

impl Check {
    /// What it looks at; `None` when it says nothing or several things.
    pub fn kind(&self) -> Option<CheckKind> {
        let said = [
            (self.sql.is_some(), CheckKind::Sql),
            (self.amcheck == Some(true), CheckKind::Amcheck),
            (self.checksums == Some(true), CheckKind::Checksums),
            (self.row_counts.is_some(), CheckKind::RowCounts),
        ];
        let mut kinds = said.into_iter().filter(|(said, _)| *said);
        let (_, kind) = kinds.next()?;
        kinds.next().is_none().then_some(kind)
    }

    /// What it is called in the evidence.
    pub fn shown(&self) -> String {
        match (&self.name, &self.sql, self.kind()) {
            (Some(name), ..) => name.clone(),
            (None, Some(sql), _) => sql.split_whitespace().collect::<Vec<_>>().join(" "),
            (None, None, Some(kind)) => kind.to_string(),
            (None, None, None) => "nothing".to_owned(),
        }
    }

    /// Checks what the shape alone cannot say. `path` is where it stands.
    pub fn check(&self, path: &str) -> Result<(), InvalidDocument> {
        let refuse = |field: &str, message: &str| {
            Err(InvalidDocument::new(format!("{path}{field}"), message))
        };
        let Some(kind) = self.kind() else {
            let message = "a check is one of sql with expect, amcheck: true, checksums: true, \
                           rowCounts: drift <= 5%";
            return refuse("", message);
        };
        if self.amcheck == Some(false) || self.checksums == Some(false) {
            return refuse("", "what is not to be checked is left out");
        }
        match (kind, &self.sql, &self.expect) {
            (CheckKind::Sql, Some(sql), _) if sql.trim().is_empty() => {
                return refuse(".sql", "the query is empty");
            }
            (CheckKind::Sql, Some(sql), _) if sql.len() > SQL_BYTES_MAX => {
                return refuse(".sql", "a query has at most 4096 bytes");
            }
            (CheckKind::Sql, _, None) => {
                return refuse(".expect", "say what the query is to answer");
            }
            (CheckKind::Sql, ..) => {}
            (_, _, Some(_)) => return refuse(".expect", "it is for queries"),
            (_, _, None) if self.database.is_some() => {
                return refuse(
                    ".database",
                    "it is for queries: the others look at all databases",
                );
            }
            (_, _, None) => {}
        }
        match &self.row_counts {
            Some(expect) if !matches!(expect, Expect::Drift(_)) => refuse(
                ".rowCounts",
                "rows are compared with the drill before: drift <= 5%",
            ),
            _ => Ok(()),
        }
    }
}

/// Checks a list of checks that stands at `path`.
pub fn check_all(checks: &[Check], path: &str) -> Result<(), InvalidDocument> {
    if checks.len() > CHECKS_MAX {
        let message = format!("a drill has at most {CHECKS_MAX} checks");
        return Err(InvalidDocument::new(path, message));
    }
    for (index, check) in checks.iter().enumerate() {
        let path = format!("{path}[{index}]");
        check.check(&path)?;
        let before = &checks[..index];
        if before
            .iter()
            .any(|one| (one.shown(), &one.database) == (check.shown(), &check.database))
        {
            let message = "another check is called so, and their results could not be told apart";
            return Err(InvalidDocument::new(path, message));
        }
    }
    Ok(())
}

impl Drill {
    /// To which point it restores.
    pub fn at(&self) -> DrillPoint {
        self.at.clone().unwrap_or_default()
    }

    /// The schedule that its runs are of: the times alone are what it says of it. A
    /// drill that was due while nobody could give it out is made up for once.
    pub fn schedule(&self, name: Name) -> Schedule {
        Schedule {
            name,
            // Nothing is taken by it; its times are all that is asked of it.
            kind: BackupKind::Full,
            cron: self.cron.clone(),
            timezone: self.timezone.clone(),
            every: self.every,
            window: self.window,
            jitter: None,
            from: None,
            checkpoint: None,
            catch_up: Some(CatchUp::Latest),
            catch_up_max: None,
            blackouts: Vec::new(),
            overlap: Some(Overlap::Skip),
            // What is waiting and protects something goes first.
            priority: Some(-1),
            retry: None,
            databases: None,
            format: None,
            jobs: None,
            globals: None,
            schema_only: None,
        }
    }

    /// For how long one that passed proves something: the longest time between two of
    /// its due times, and a tenth or an hour more for the drill itself.
    pub fn fresh_for(&self) -> Option<Span> {
        let longest = match self.every {
            Some(every) => every,
            None => self.longest_pause()?,
        };
        let slack = (longest.millis() / 10).max(3_600_000);
        Some(Span::from_millis(longest.millis().saturating_add(slack)))
    }

    fn longest_pause(&self) -> Option<Span> {
        let any: Name = "any".parse().ok()?;
        let schedule = Schedule {
            window: None,
            ..self.schedule(any.clone())
        };
        let timetable = Timetable::new(&any, &schedule).ok()?;
        // A fixed year, so that the answer is always the same.
        let from = jiff::civil::date(2024, 1, 1).to_zoned(TimeZone::UTC).ok()?;
        let until = from.checked_add(jiff::Span::new().years(9)).ok()?;
        let due = timetable.due_between(from.timestamp(), until.timestamp());
        let due: Vec<_> = due.take(DUE_TIMES).map(|due| due.at).collect();
        let pauses = due
            .windows(2)
            .map(|pair| pair[1].duration_since(pair[0]).as_millis());
        let longest = u64::try_from(pauses.max()?).ok()?;
        Some(Span::from_millis(longest))
    }

    fn check(&self, path: &str) -> Result<(), InvalidDocument> {
        let at = |field: &str| format!("{path}.{field}");
        let name = "drill".parse().expect("it is a name");
        Timing::of(&self.schedule(name))
            .map_err(|error| InvalidDocument::new(at(&error.field), error.message))?;
        if self.every.is_some_and(|every| every < EVERY_LEAST) {
            return Err(InvalidDocument::new(
                at("every"),
                "a drill is made every 1m to 366d",
            ));
        }
        if self.agent.is_some() && self.region.is_some() {
            let message = "an agent is in one region: name the agent or a region";
            return Err(InvalidDocument::new(at("region"), message));
        }
        let fixed = match &self.at {
            Some(DrillPoint::At(target)) => *target != RestoreTarget::Latest,
            Some(DrillPoint::Random) | None => false,
        };
        if fixed {
            let message = "the same point again and again proves little, and expires: a schedule \
                           takes latest or random; `holdfast drill run --at` takes any";
            return Err(InvalidDocument::new(at("at"), message));
        }
        check_all(&self.checks, &at("checks"))
    }

    /// Checks one that stands by itself, as a DrillPlan of this name.
    pub(super) fn check_plan(&self, name: &Name) -> Result<(), InvalidDocument> {
        if self.selector.is_none() {
            let message = "say which clusters it is for: labels, or {} for all";
            return Err(InvalidDocument::new("spec.selector", message));
        }
        if self.name.is_some() {
            let message = "a DrillPlan is named by metadata.name";
            return Err(InvalidDocument::new("spec.name", message));
        }
        if name.as_str().len() > PLAN_NAME_MAX {
            let message = format!("the name of a DrillPlan has at most {PLAN_NAME_MAX} characters");
            return Err(InvalidDocument::new("metadata.name", message));
        }
        self.check("spec")
    }
}

/// The name of the schedule that a drill's runs are of, in a policy.
pub fn drill_name(index: usize, drill: &Drill) -> Name {
    let usual = || {
        format!("drill-{}", index + 1)
            .parse()
            .expect("it is a name")
    };
    drill.name.clone().unwrap_or_else(usual)
}

/// The same of a DrillPlan.
pub fn plan_name(plan: &Name) -> Name {
    let text = format!("{PLAN_PREFIX}{plan}");
    // A plan's name is checked to be short enough; an older release's may not be.
    text.parse().unwrap_or_else(|_| plan.clone())
}

/// How the names of the schedules of DrillPlans begin.
const PLAN_PREFIX: &str = "drillplan-";

/// Checks the drills of a policy, whose schedules are these.
pub(super) fn check(drills: &[Drill], schedules: &[Schedule]) -> Result<(), InvalidDocument> {
    if drills.len() > DRILLS_MAX {
        let message = format!("a policy has at most {DRILLS_MAX} drills");
        return Err(InvalidDocument::new("spec.drills", message));
    }
    let mut names: Vec<Name> = schedules.iter().map(|one| one.name.clone()).collect();
    for (index, drill) in drills.iter().enumerate() {
        let path = format!("spec.drills[{index}]");
        if drill.selector.is_some() {
            let message = "a policy has its own selector";
            return Err(InvalidDocument::new(format!("{path}.selector"), message));
        }
        let name = drill_name(index, drill);
        if names.contains(&name) || name.as_str().starts_with(PLAN_PREFIX) {
            let message = format!(
                "{name} is the name of another drill or schedule; their runs could not be told \
                 apart"
            );
            return Err(InvalidDocument::new(format!("{path}.name"), message));
        }
        names.push(name);
        drill.check(&path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::resource::{API_VERSION, Document};

    fn policy(drills: Value) -> Result<Document, InvalidDocument> {
        Document::from_value(json!({
            "apiVersion": API_VERSION, "kind": "Policy", "metadata": {"name": "gold"},
            "spec": {"selector": {}, "repository": "eu", "drills": drills,
                     "schedules": [{"name": "daily", "kind": "full", "every": "1d"}]},
        }))
    }

    fn plan(name: &str, spec: Value) -> Result<Document, InvalidDocument> {
        Document::from_value(json!({
            "apiVersion": API_VERSION, "kind": "DrillPlan", "metadata": {"name": name},
            "spec": spec,
        }))
    }

    fn drill(value: Value) -> Drill {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn the_contracts_example_reads_back_as_it_was_written() {
        let written = json!([{
            "cron": "0 6 * * 1", "at": "random",
            "checks": [
                {"sql": "select max(created_at) from orders", "expect": "within 10m of target"},
                {"amcheck": true}, {"checksums": true}, {"rowCounts": "drift <= 5%"},
            ],
        }]);
        let document = policy(written.clone()).unwrap();
        assert_eq!(document.to_value()["spec"]["drills"], written);
        let written = json!({"selector": {"tier": "gold"}, "every": "1w", "region": "us"});
        let document = plan("weekly", written.clone()).unwrap();
        assert_eq!(document.to_value()["spec"], written);
    }

    #[test]
    fn what_a_drill_cannot_mean_is_refused_by_name() {
        let field = |drills| policy(drills).unwrap_err().field;
        let one = |mut drill: Value| {
            drill["every"] = json!("1d");
            json!([drill])
        };
        assert_eq!(field(json!([{}])), "spec.drills[0].cron");
        assert_eq!(field(one(json!({"at": "lsn:0/1"}))), "spec.drills[0].at");
        assert_eq!(field(one(json!({"at": "now"}))), "spec.drills[0].at");
        assert_eq!(
            field(one(json!({"selector": {}}))),
            "spec.drills[0].selector"
        );
        assert_eq!(
            field(one(json!({"agent": "a", "region": "r"}))),
            "spec.drills[0].region"
        );
        assert_eq!(field(one(json!({"name": "daily"}))), "spec.drills[0].name");
        let twice = json!([{"every": "1d", "name": "drill-2"}, {"every": "1d"}]);
        assert_eq!(field(twice), "spec.drills[1].name");
        let check = |check: Value| field(one(json!({"checks": [check]})));
        let path = "spec.drills[0].checks[0]";
        assert_eq!(check(json!({})), path);
        assert_eq!(check(json!({"amcheck": false})), path);
        assert_eq!(check(json!({"amcheck": true, "checksums": true})), path);
        assert_eq!(check(json!({"sql": "select 1"})), format!("{path}.expect"));
        assert_eq!(
            check(json!({"sql": " ", "expect": "= 1"})),
            format!("{path}.sql")
        );
        assert_eq!(
            check(json!({"sql": "select 1", "expect": "1"})),
            format!("{path}.expect")
        );
        assert_eq!(
            check(json!({"amcheck": true, "expect": "= 1"})),
            format!("{path}.expect")
        );
        assert_eq!(
            check(json!({"checksums": true, "database": "x"})),
            format!("{path}.database")
        );
        assert_eq!(
            check(json!({"rowCounts": "> 5"})),
            format!("{path}.rowCounts")
        );
        let same = json!({"sql": "select 1", "expect": "= 1"});
        let twice = field(one(json!({"checks": [same, same]})));
        assert_eq!(twice, "spec.drills[0].checks[1]");
    }

    #[test]
    fn a_plan_has_a_selector_and_no_other_name() {
        let field = |name: &str, spec| plan(name, spec).unwrap_err().field;
        assert_eq!(field("a", json!({"every": "1d"})), "spec.selector");
        let named = json!({"selector": {}, "every": "1d", "name": "b"});
        assert_eq!(field("a", named), "spec.name");
        let long = "x".repeat(53);
        assert_eq!(
            field(&long, json!({"selector": {}, "every": "1d"})),
            "metadata.name"
        );
        let name: Name = "x".repeat(52).parse().unwrap();
        assert_eq!(plan_name(&name).as_str().len(), 62);
    }

    #[test]
    fn a_drill_proves_until_the_next_should_have() {
        let hours = |value| {
            drill(value)
                .fresh_for()
                .map(|span| span.get().as_secs() / 3600)
        };
        assert_eq!(hours(json!({"every": "1h"})), Some(2));
        assert_eq!(hours(json!({"every": "10d"})), Some(264));
        // A week, and a tenth of it.
        assert_eq!(hours(json!({"cron": "0 6 * * 1"})), Some(184));
        // Over a weekend.
        assert_eq!(hours(json!({"cron": "0 6 * * 1-5"})), Some(79));
        assert_eq!(hours(json!({"cron": "nonsense"})), None);
    }
}
