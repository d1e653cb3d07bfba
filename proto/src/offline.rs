//! Schedules that an agent follows on its own, and what it reports of that.

use holdfast_types::resource::{Compression, Schedule};
use holdfast_types::schedule::{RunReason, RunState};
use holdfast_types::{AssignmentId, Name};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::assignment::{compression, incarnation};
use crate::invalid::{Invalid, from_json, from_micros, parse, some, to_json};
use crate::{InstanceAccess, PinnedParent, RepositoryAccess, v1};

/// What an agent does for a cluster while no quorum can be reached (I-08).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StandingOrders {
    /// The cluster.
    pub cluster: Name,
    /// Where its backups go.
    pub repository: RepositoryAccess,
    /// What to read.
    pub instance: InstanceAccess,
    /// How to compress.
    pub compression: Compression,
    /// The incarnation of its lineage.
    pub incarnation: u32,
    /// What its incrementals are made against, for as long as it is pinned.
    #[serde(default)]
    pub parent: Option<PinnedParent>,
    /// Its schedules.
    pub schedules: Vec<StandingSchedule>,
    /// Nobody receives its WAL: its backups take their own along.
    #[serde(default)]
    pub own_wal: bool,
}

/// A schedule, and up to where it is decided on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StandingSchedule {
    /// The schedule.
    pub schedule: Schedule,
    /// Which times it is for; goes back with what was decided.
    pub anchor: String,
    /// Due times up to then are decided on.
    pub decided_until: Timestamp,
    /// Those that are decided to run and not over.
    pub open: Vec<OpenRun>,
}

/// A run that is not over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenRun {
    /// When it was due.
    pub due: Timestamp,
    /// Whether an agent was given it.
    pub begun: bool,
    /// From when on it may start.
    pub not_before: Timestamp,
    /// Until when.
    pub latest: Option<Timestamp>,
}

/// What an agent did with a schedule while it was on its own, kept in its
/// journal until it is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OfflineReport {
    /// Its place in the journal.
    pub sequence: u64,
    /// The cluster.
    pub cluster: Name,
    /// The schedule.
    pub schedule: Name,
    /// What happened.
    pub event: OfflineEvent,
}

/// What an agent did on its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OfflineEvent {
    /// These due times do not run.
    Decided(Vec<OfflineDecision>),
    /// It began an attempt at a run.
    Began(OfflineBegan),
    /// It has stopped deciding.
    Settled(OfflineSettled),
}

/// A due time, or a range of them, that does not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OfflineDecision {
    /// When it was due.
    pub due: Timestamp,
    /// The last of a range; else the same.
    pub last: Timestamp,
    /// How many it stands for.
    pub count: u64,
    /// `missed`, `skipped` or `coalesced`.
    pub state: RunState,
    /// Why.
    pub reason: RunReason,
}

/// An attempt at a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OfflineBegan {
    /// When the run was due.
    pub due: Timestamp,
    /// Under which the agent reports of it.
    pub assignment: AssignmentId,
    /// Which of its attempts, from 1.
    pub number: u32,
    /// It makes up for a time at which nobody could serve it.
    pub late: bool,
    /// When it began.
    pub began_at: Timestamp,
}

/// Everything due after `from` and not after `until` was decided on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OfflineSettled {
    /// Which times it was for.
    pub anchor: String,
    /// Where the agent began.
    pub from: Timestamp,
    /// How far it came.
    pub until: Timestamp,
}

impl From<&StandingOrders> for v1::StandingOrders {
    fn from(orders: &StandingOrders) -> Self {
        let open = |run: &OpenRun| v1::OpenRun {
            due_us: run.due.as_microsecond(),
            begun: run.begun,
            not_before_us: run.not_before.as_microsecond(),
            latest_us: run.latest.map_or(0, Timestamp::as_microsecond),
        };
        let schedules = orders.schedules.iter().map(|one| v1::StandingSchedule {
            schedule_json: to_json(&one.schedule),
            anchor: one.anchor.clone(),
            decided_until_us: one.decided_until.as_microsecond(),
            open: one.open.iter().map(open).collect(),
        });
        Self {
            cluster: orders.cluster.to_string(),
            repository: Some((&orders.repository).into()),
            instance: Some((&orders.instance).into()),
            codec: orders.compression.codec.to_string(),
            level: orders.compression.level.unwrap_or_default(),
            incarnation: orders.incarnation,
            schedules: schedules.collect(),
            parent: orders.parent.as_ref().map(Into::into),
            own_wal: orders.own_wal,
        }
    }
}

impl TryFrom<v1::StandingOrders> for StandingOrders {
    type Error = Invalid;

    fn try_from(orders: v1::StandingOrders) -> Result<Self, Invalid> {
        let schedules = orders.schedules.into_iter().map(TryInto::try_into);
        Ok(Self {
            cluster: parse("orders.cluster", &orders.cluster)?,
            repository: some("orders.repository", orders.repository)?.try_into()?,
            instance: some("orders.instance", orders.instance)?.into(),
            compression: compression(&orders.codec, orders.level)?,
            incarnation: incarnation(orders.incarnation)?,
            parent: orders.parent.map(TryInto::try_into).transpose()?,
            schedules: schedules.collect::<Result<_, Invalid>>()?,
            own_wal: orders.own_wal,
        })
    }
}

impl TryFrom<v1::StandingSchedule> for StandingSchedule {
    type Error = Invalid;

    fn try_from(one: v1::StandingSchedule) -> Result<Self, Invalid> {
        let open = |run: v1::OpenRun| {
            let latest = (run.latest_us != 0)
                .then(|| from_micros("open.latest_us", run.latest_us))
                .transpose()?;
            Ok(OpenRun {
                due: from_micros("open.due_us", run.due_us)?,
                begun: run.begun,
                not_before: from_micros("open.not_before_us", run.not_before_us)?,
                latest,
            })
        };
        Ok(Self {
            schedule: from_json("schedule_json", &one.schedule_json)?,
            anchor: one.anchor,
            decided_until: from_micros("decided_until_us", one.decided_until_us)?,
            open: one
                .open
                .into_iter()
                .map(open)
                .collect::<Result<_, Invalid>>()?,
        })
    }
}

impl From<&OfflineReport> for v1::OfflineReport {
    fn from(report: &OfflineReport) -> Self {
        use v1::offline_report::Event;
        let event = match &report.event {
            OfflineEvent::Decided(runs) => Event::Decided(v1::OfflineDecided {
                runs: runs.iter().map(Into::into).collect(),
            }),
            OfflineEvent::Began(began) => Event::Began(v1::OfflineBegan {
                due_us: began.due.as_microsecond(),
                assignment_id: began.assignment.to_string(),
                number: began.number,
                late: began.late,
                began_at_us: began.began_at.as_microsecond(),
            }),
            OfflineEvent::Settled(settled) => Event::Settled(v1::OfflineSettled {
                anchor: settled.anchor.clone(),
                from_us: settled.from.as_microsecond(),
                until_us: settled.until.as_microsecond(),
            }),
        };
        Self {
            sequence: report.sequence,
            cluster: report.cluster.to_string(),
            schedule: report.schedule.to_string(),
            event: Some(event),
        }
    }
}

impl From<&OfflineDecision> for v1::OfflineDecision {
    fn from(one: &OfflineDecision) -> Self {
        Self {
            due_us: one.due.as_microsecond(),
            last_us: one.last.as_microsecond(),
            count: one.count,
            state: one.state.to_string(),
            reason_json: to_json(&one.reason),
        }
    }
}

impl TryFrom<v1::OfflineReport> for OfflineReport {
    type Error = Invalid;

    fn try_from(report: v1::OfflineReport) -> Result<Self, Invalid> {
        use v1::offline_report::Event;
        let event = match some("event", report.event)? {
            Event::Decided(decided) => {
                let runs = decided.runs.into_iter().map(TryInto::try_into);
                OfflineEvent::Decided(runs.collect::<Result<_, Invalid>>()?)
            }
            Event::Began(began) => {
                if began.number == 0 {
                    return Err(Invalid::new("number", "counts from 1"));
                }
                OfflineEvent::Began(OfflineBegan {
                    due: from_micros("due_us", began.due_us)?,
                    assignment: parse("assignment_id", &began.assignment_id)?,
                    number: began.number,
                    late: began.late,
                    began_at: from_micros("began_at_us", began.began_at_us)?,
                })
            }
            Event::Settled(settled) => OfflineEvent::Settled(OfflineSettled {
                anchor: settled.anchor,
                from: from_micros("from_us", settled.from_us)?,
                until: from_micros("until_us", settled.until_us)?,
            }),
        };
        Ok(Self {
            sequence: report.sequence,
            cluster: parse("cluster", &report.cluster)?,
            schedule: parse("schedule", &report.schedule)?,
            event,
        })
    }
}

impl TryFrom<v1::OfflineDecision> for OfflineDecision {
    type Error = Invalid;

    fn try_from(one: v1::OfflineDecision) -> Result<Self, Invalid> {
        let state = parse("state", &one.state)?;
        if matches!(state, RunState::Due | RunState::Ran) {
            return Err(Invalid::new("state", "is no reason not to run"));
        }
        Ok(Self {
            due: from_micros("due_us", one.due_us)?,
            last: from_micros("last_us", one.last_us)?,
            count: one.count,
            state,
            reason: from_json("reason_json", &one.reason_json)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use holdfast_types::Secret;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn what_an_agent_did_on_its_own_arrives_as_it_was_sent() {
        let decision = OfflineDecision {
            due: at(60),
            last: at(120),
            count: 2,
            state: RunState::Missed,
            reason: RunReason::TooMany,
        };
        let began = OfflineBegan {
            due: at(180),
            assignment: "asg_00000000000000000000000000000001".parse().unwrap(),
            number: 2,
            late: true,
            began_at: at(190),
        };
        let settled = OfflineSettled {
            anchor: "every 1m".to_owned(),
            from: at(0),
            until: at(200),
        };
        let events = [
            OfflineEvent::Decided(vec![decision]),
            OfflineEvent::Began(began),
            OfflineEvent::Settled(settled),
        ];
        for event in events {
            let sent = OfflineReport {
                sequence: 7,
                cluster: "orders".parse().unwrap(),
                schedule: "often".parse().unwrap(),
                event,
            };
            let received = OfflineReport::try_from(v1::OfflineReport::from(&sent)).unwrap();
            assert_eq!(received, sent);
        }
        let ran = OfflineDecision {
            state: RunState::Ran,
            ..decision
        };
        let refused = OfflineDecision::try_from(v1::OfflineDecision::from(&ran));
        assert_eq!(refused.unwrap_err().field, "state");
    }

    #[test]
    fn standing_orders_arrive_as_they_were_given() {
        let schedule = serde_json::json!({"name": "often", "kind": "full", "every": "1m"});
        let open = |begun, latest| OpenRun {
            due: at(60),
            begun,
            not_before: at(61),
            latest,
        };
        let given = StandingOrders {
            cluster: "orders".parse().unwrap(),
            repository: RepositoryAccess {
                name: "eu".parse().unwrap(),
                url: "file:///b".to_owned(),
                region: None,
                endpoint: None,
                credentials: std::collections::BTreeMap::new(),
                key: Secret::new("00".repeat(32)),
                bandwidth: None,
            },
            instance: InstanceAccess {
                connection: "host=/run/postgresql".to_owned(),
                password: None,
                data_directory: None,
                system_identifier: None,
            },
            compression: Compression::DEFAULT,
            incarnation: 1,
            parent: Some(PinnedParent {
                backup: "bkp_00000000000000000000000000000001".parse().unwrap(),
                job: "job_00000000000000000000000000000002".parse().unwrap(),
                until: at(700),
            }),
            schedules: vec![StandingSchedule {
                schedule: serde_json::from_value(schedule).unwrap(),
                anchor: "every 1m".to_owned(),
                decided_until: at(100),
                open: vec![open(true, None), open(false, Some(at(90)))],
            }],
            own_wal: true,
        };
        let received = StandingOrders::try_from(v1::StandingOrders::from(&given)).unwrap();
        assert_eq!(received, given);
    }
}
