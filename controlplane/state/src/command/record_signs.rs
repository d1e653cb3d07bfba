//! What the leader has noticed of who protects clusters: silence, and trouble that
//! lasted. Only transitions enter the log, each with the time since when it is so.

use holdfast_types::Name;
use holdfast_types::resource::Kind;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ReplicatedCommand;
use crate::context::{ApplyContext, Stop};
use crate::{Refusal, TaskName, facts, schema};

/// The most signs of one entry.
const MOST: usize = 1000;
/// A code is a word, not a text.
const CODE_MAX: usize = 100;

/// Since level 23. What is so already changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordSigns {
    /// What was noticed.
    pub signs: Vec<Sign>,
}

/// Something that was noticed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sign {
    /// Of which cluster.
    pub cluster: Name,
    /// Since when it is so.
    pub at: Timestamp,
    /// What.
    pub what: SignWhat,
}

/// What was noticed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SignWhat {
    /// Nothing is heard of who protects it.
    AgentLost,
    /// It was heard of again.
    AgentBack,
    /// WAL does not reach a repository.
    TroubleBegan {
        /// Which.
        repository: Name,
        /// Why: a stable code.
        code: String,
    },
    /// It does again.
    TroubleEnded {
        /// Which.
        repository: Name,
    },
}

impl ReplicatedCommand for RecordSigns {
    /// How much of it is new.
    type Outcome = u64;
    const NAME: &'static str = "record_signs";

    fn target(&self) -> String {
        "clusters".to_owned()
    }

    fn level(&self) -> u32 {
        schema::COMPLIANCE
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<u64, Stop> {
        let long = |sign: &Sign| matches!(&sign.what, SignWhat::TroubleBegan { code, .. } if code.len() > CODE_MAX);
        if self.signs.len() > MOST || self.signs.iter().any(long) {
            return Err(Refusal::invalid("signs", "it is more than one entry holds").into());
        }
        let mut new = 0;
        for Sign { cluster, at, what } in self.signs {
            // Deleted meanwhile: nobody asks about it any more.
            if cx.resource(Kind::Cluster, &cluster).await?.is_none() {
                continue;
            }
            let changed = match what {
                SignWhat::AgentLost => facts::agent_lost(cx, &cluster, true, at).await?,
                SignWhat::AgentBack => facts::agent_lost(cx, &cluster, false, at).await?,
                SignWhat::TroubleBegan { repository, code } => {
                    facts::trouble(cx, &cluster, &repository, Some(code), at).await?
                }
                SignWhat::TroubleEnded { repository } => {
                    facts::trouble(cx, &cluster, &repository, None, at).await?
                }
            };
            if changed {
                new += 1;
                cx.changed("exposure", &cluster);
            }
        }
        if new > 0 {
            cx.activate(TaskName::Exposure);
        }
        Ok(new)
    }
}
