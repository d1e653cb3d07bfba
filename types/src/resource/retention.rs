//! What a policy keeps, and for how long.
//!
//! A policy without `retention` lets nothing expire. In one that is written, what
//! is left out has its default (ADR 19).

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::InvalidDocument;
use crate::Span;
use crate::schedule::time_zone;

/// More of one kind than anybody keeps; a number beyond it is a slip.
const COUNT_MAX: u32 = 10_000;
/// The newest backups that are kept when a policy does not say.
const LAST: u32 = 2;
/// Positions of WAL are kept for this long at most: a hundred years.
const PITR_MAX: Span = Span::from_secs(36_525 * 24 * 3600);

/// What is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Retention {
    /// How many backups of which age.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<Keep>,
    /// How far back any point in time can be restored; `objectives.window` when
    /// it is not said. Without both, WAL is kept since the oldest kept backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, example = "14d"))]
    pub pitr: Option<Span>,
    /// The IANA zone in which days, weeks, months and years begin; `UTC` when it
    /// is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(example = "Europe/Vienna"))]
    pub timezone: Option<String>,
}

/// How many backups are kept. The newest of each day, week, month or year that
/// has one counts; physical backups and dumps are counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Keep {
    /// The newest; 2 when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(minimum = 1))]
    pub last: Option<u32>,
    /// Of so many days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daily: Option<u32>,
    /// Of so many ISO weeks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weekly: Option<u32>,
    /// Of so many months.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monthly: Option<u32>,
    /// Of so many years.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yearly: Option<u32>,
}

impl Keep {
    /// The newest that are kept.
    pub fn last(self) -> u32 {
        self.last.unwrap_or(LAST)
    }
}

impl Retention {
    /// How many backups of which age are kept.
    pub fn keep(&self) -> Keep {
        self.keep.unwrap_or_default()
    }

    /// The name of the zone in which days begin.
    pub fn timezone(&self) -> &str {
        self.timezone.as_deref().unwrap_or("UTC")
    }

    /// That zone; `None` for a name that no zone has.
    pub fn zone(&self) -> Option<TimeZone> {
        time_zone(self.timezone())
    }

    /// Checks it beside the window that its policy promises.
    pub(super) fn check(&self, window: Option<Span>) -> Result<(), InvalidDocument> {
        let keep = self.keep();
        if keep.last == Some(0) {
            let message = "the last backup is always kept: 1 or more";
            return Err(InvalidDocument::new("spec.retention.keep.last", message));
        }
        let counts = [
            ("last", keep.last),
            ("daily", keep.daily),
            ("weekly", keep.weekly),
            ("monthly", keep.monthly),
            ("yearly", keep.yearly),
        ];
        let over = |(_, count): &(&str, Option<u32>)| count.is_some_and(|count| count > COUNT_MAX);
        if let Some((name, _)) = counts.into_iter().find(over) {
            let field = format!("spec.retention.keep.{name}");
            let message = format!("at most {COUNT_MAX}");
            return Err(InvalidDocument::new(field, message));
        }
        if let Some(zone) = self.timezone.as_deref().filter(|_| self.zone().is_none()) {
            let message = format!("\"{zone}\" is not an IANA time zone such as Europe/Vienna");
            return Err(InvalidDocument::new("spec.retention.timezone", message));
        }
        let Some(pitr) = self.pitr else {
            return Ok(());
        };
        let field = "spec.retention.pitr";
        if pitr.get().is_zero() || pitr > PITR_MAX {
            let message = "longer than no time, and at most a hundred years";
            return Err(InvalidDocument::new(field, message));
        }
        if let Some(window) = window.filter(|window| *window > pitr) {
            let message = format!("{pitr} is shorter than the window of {window} that is promised");
            return Err(InvalidDocument::new(field, message));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::resource::Document;

    fn refused(retention: &Value, window: Option<&str>) -> Option<(String, &'static str)> {
        let mut spec = json!({"selector": {}, "repository": "eu", "retention": retention});
        if let Some(window) = window {
            spec["objectives"] = json!({"window": window});
        }
        let document = json!({
            "apiVersion": "holdfast/v1", "kind": "Policy", "metadata": {"name": "p"}, "spec": spec,
        });
        let error = Document::from_value(document).err()?;
        Some((error.field, error.code))
    }

    #[test]
    fn what_contract_writes_is_taken() {
        let whole = json!({
            "keep": {"last": 2, "daily": 7, "weekly": 4, "monthly": 12, "yearly": 2},
            "pitr": "14d", "timezone": "Europe/Vienna",
        });
        assert_eq!(refused(&whole, Some("14d")), None);
        assert_eq!(refused(&json!({}), Some("14d")), None);
        assert_eq!(refused(&json!({"keep": {"daily": 7}}), None), None);
    }

    #[test]
    fn bad_values_are_refused_with_their_path() {
        let cases = [
            (json!({"keep": {"last": 0}}), "spec.retention.keep.last"),
            (
                json!({"keep": {"daily": 10_001}}),
                "spec.retention.keep.daily",
            ),
            (
                json!({"keep": {"weekly": -1}}),
                "spec.retention.keep.weekly",
            ),
            (json!({"keep": {"hourly": 1}}), "spec.retention.keep.hourly"),
            (json!({"pitr": "0s"}), "spec.retention.pitr"),
            (json!({"pitr": "two weeks"}), "spec.retention.pitr"),
            (json!({"pitr": "36526d"}), "spec.retention.pitr"),
            (
                json!({"timezone": "Europe/Nowhere"}),
                "spec.retention.timezone",
            ),
            (json!({"timezone": ""}), "spec.retention.timezone"),
        ];
        for (retention, field) in cases {
            let found = refused(&retention, None).unwrap_or_default();
            assert_eq!(found.0, field, "{retention}");
        }
    }

    /// CONTRACT: `pitr` shorter than `objectives.window` is refused.
    #[test]
    fn less_than_the_promised_window_is_refused() {
        let short = json!({"pitr": "13d"});
        let found = refused(&short, Some("14d")).unwrap();
        assert_eq!(
            found,
            ("spec.retention.pitr".to_owned(), "invalid_document")
        );
        assert_eq!(refused(&short, Some("13d")), None);
    }
}
