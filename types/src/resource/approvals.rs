//! Which acts need the consent of other people.

use serde::{Deserialize, Serialize};

use super::InvalidDocument;

/// More people than anybody gathers; a number beyond it is a slip.
const MOST: u32 = 10;

/// How many other people must consent to what. What is left out needs nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Approvals {
    /// To deleting backups, ending a hold, and deleting a cluster that has backups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(minimum = 1, maximum = 10))]
    pub delete: Option<u32>,
    /// To keeping less, or for a shorter time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(minimum = 1, maximum = 10))]
    pub shorten_retention: Option<u32>,
    /// To restoring over what is there: `--delta`, or where an instance of a cluster lives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(minimum = 1, maximum = 10))]
    pub restore_over: Option<u32>,
}

impl Approvals {
    pub(super) fn check(&self) -> Result<(), InvalidDocument> {
        let rules = [
            ("delete", self.delete),
            ("shortenRetention", self.shorten_retention),
            ("restoreOver", self.restore_over),
        ];
        let bad = |(_, count): &(&str, Option<u32>)| {
            count.is_some_and(|count| !(1..=MOST).contains(&count))
        };
        match rules.into_iter().find(bad) {
            None => Ok(()),
            Some((name, _)) => Err(InvalidDocument::new(
                format!("spec.approvals.{name}"),
                format!("1 to {MOST} others consent; leave it out to need nobody"),
            )),
        }
    }
}
