//! Alarms.

use std::collections::BTreeMap;

use holdfast_types::access::Visible;
use holdfast_types::alarm::{AlarmDetail, AlarmRule, Severity};
use holdfast_types::{AlarmId, Name, Revision};
use jiff::Timestamp;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DatabaseConnection, EntityTrait, QueryFilter,
    QueryOrder, Statement,
};

use super::page::{Page, PageRequest, newest_first};
use super::scope::{seen, seen_sql};
use crate::alarms::Told;
use crate::column::{Flag, Moment, Text};
use crate::entity::alarms as rows;
use crate::{Principal, StateError, row, schema};

/// An alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlarmView {
    /// Its id.
    pub id: AlarmId,
    /// Its rule.
    pub rule: AlarmRule,
    /// What it is about.
    pub subject: String,
    /// The fleet that it belongs to.
    pub fleet: Option<Name>,
    /// The cluster that it is about.
    pub cluster: Option<Name>,
    /// How bad it is.
    pub severity: Severity,
    /// Which time it happened last.
    pub mark: String,
    /// What there is to say.
    pub detail: AlarmDetail,
    /// How often it happened.
    pub count: u64,
    /// When it was noticed.
    pub opened_at: Timestamp,
    /// When it happened last.
    pub seen_at: Timestamp,
    /// When it was over.
    pub closed_at: Option<Timestamp>,
    /// When somebody took it on.
    pub acknowledged_at: Option<Timestamp>,
    /// Who.
    pub acknowledged_by: Option<Principal>,
    /// What there was to say to it.
    pub note: Option<String>,
    /// Which channels were told of it.
    pub told: BTreeMap<Name, Told>,
    /// Its revision.
    pub revision: Revision,
}

impl From<rows::Model> for AlarmView {
    fn from(row: rows::Model) -> Self {
        Self {
            id: row.id.0,
            rule: row.rule.0,
            subject: row.subject,
            fleet: row.fleet.map(|fleet| fleet.0),
            cluster: row.cluster.map(|cluster| cluster.0),
            severity: row.severity.0,
            mark: row.mark,
            detail: row.detail.0,
            count: row.count.0,
            opened_at: row.opened_at.0,
            seen_at: row.seen_at.0,
            closed_at: row.closed_at.map(|at| at.0),
            acknowledged_at: row.acknowledged_at.map(|at| at.0),
            acknowledged_by: row.acknowledged_by.map(|by| by.0),
            note: row.note,
            told: row.told.0,
            revision: row.revision.into(),
        }
    }
}

/// Whether an alarm is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AlarmState {
    /// It is not.
    #[default]
    Open,
    /// It is.
    Closed,
    /// Either.
    Any,
}

/// Which alarms are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AlarmFilter {
    /// Whether they are over.
    pub state: AlarmState,
    /// Of this rule.
    pub rule: Option<AlarmRule>,
    /// So bad.
    pub severity: Option<Severity>,
    /// Of this fleet.
    pub fleet: Option<Name>,
    /// Of this cluster.
    pub cluster: Option<Name>,
    /// Of clusters that are seen. What belongs to none is seen by who sees everything.
    pub visible: Visible,
}

/// Alarms, newest first; none below the level at which there are any.
pub async fn alarms(
    conn: &DatabaseConnection,
    filter: &AlarmFilter,
    request: &PageRequest,
) -> Result<Page<AlarmView>, StateError> {
    use rows::{Column, Entity};
    let before = request.key::<(Timestamp, AlarmId)>()?;
    let before = before.map(|(at, id)| (Moment(at).into(), Text(id).into()));
    if schema::version(conn).await? < schema::NOTICES {
        let (items, next_cursor) = (Vec::new(), None);
        return Ok(Page { items, next_cursor });
    }
    let mut select = Entity::find();
    select = match filter.state {
        AlarmState::Open => select.filter(Column::ClosedAt.is_null()),
        AlarmState::Closed => select.filter(Column::ClosedAt.is_not_null()),
        AlarmState::Any => select,
    };
    if let Some(rule) = filter.rule {
        select = select.filter(Column::Rule.eq(Text(rule)));
    }
    if let Some(severity) = filter.severity {
        select = select.filter(Column::Severity.eq(Text(severity)));
    }
    if let Some(fleet) = &filter.fleet {
        select = select.filter(Column::Fleet.eq(fleet.as_str()));
    }
    if let Some(cluster) = &filter.cluster {
        select = select.filter(Column::Cluster.eq(cluster.as_str()));
    }
    if let Some(seen) = seen("alarms.cluster", &filter.visible) {
        select = select.filter(seen);
    }
    let limit = request.limit() as u64 + 1;
    let found = newest_first(select, (Column::OpenedAt, Column::Id), before, limit);
    let page = Page::cut(found.all(conn).await?, request, |row| {
        (row.opened_at.0, row.id.0)
    });
    Ok(page.map(AlarmView::from))
}

/// The alarm of this id.
pub async fn alarm(
    conn: &DatabaseConnection,
    alarm: AlarmId,
) -> Result<Option<AlarmView>, StateError> {
    if schema::version(conn).await? < schema::NOTICES {
        return Ok(None);
    }
    let found = row::read::<rows::Entity>(conn, Text(alarm)).await?;
    Ok(found.map(AlarmView::from))
}

/// Every alarm that is open, or of which some channel has still to hear that it is
/// over, by id.
pub async fn unsettled_alarms(conn: &DatabaseConnection) -> Result<Vec<AlarmView>, StateError> {
    use rows::{Column, Entity};
    if schema::version(conn).await? < schema::NOTICES {
        return Ok(Vec::new());
    }
    let unsettled = Condition::any()
        .add(Column::ClosedAt.is_null())
        .add(Column::Owed.eq(Flag(true)));
    let found = Entity::find().filter(unsettled).order_by_asc(Column::Id);
    let found = found.all(conn).await?;
    Ok(found.into_iter().map(AlarmView::from).collect())
}

/// How many alarms are open, by rule and severity, as somebody sees them.
pub async fn alarm_counts(
    conn: &DatabaseConnection,
    visible: &Visible,
) -> Result<BTreeMap<(AlarmRule, Severity), u64>, StateError> {
    let mut counts = BTreeMap::new();
    if schema::version(conn).await? < schema::NOTICES {
        return Ok(counts);
    }
    let (seen, values) = seen_sql("cluster", visible).unwrap_or(("1".to_owned(), Vec::new()));
    let sql = format!(
        "SELECT rule, severity, count(*) FROM alarms WHERE closed_at IS NULL AND {seen} \
         GROUP BY rule, severity"
    );
    let statement = Statement::from_sql_and_values(conn.get_database_backend(), sql, values);
    for row in conn.query_all_raw(statement).await? {
        let rule: Text<AlarmRule> = row.try_get_by_index(0)?;
        let severity: Text<Severity> = row.try_get_by_index(1)?;
        let count: i64 = row.try_get_by_index(2)?;
        counts.insert(
            (rule.0, severity.0),
            u64::try_from(count).unwrap_or_default(),
        );
    }
    Ok(counts)
}
