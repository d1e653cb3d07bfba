//! What somebody sees, as a condition on rows that belong to clusters.

use holdfast_types::Name;
use holdfast_types::access::{Place, Rights, Scope, Visible};
use holdfast_types::resource::{Kind, Resource};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder, Value};

use crate::column::Text;
use crate::entity::resources;
use crate::{StateError, schema};

/// The condition that the cluster named by `column` is seen; `None` when all are.
/// What belongs to a cluster that is gone is seen only by who sees everything.
pub(super) fn seen(column: &str, visible: &Visible) -> Option<Expr> {
    let (sql, values) = seen_sql(column, visible)?;
    Some(Expr::cust_with_values(sql, values))
}

/// The same, as SQL with its values.
pub(super) fn seen_sql(column: &str, visible: &Visible) -> Option<(String, Vec<Value>)> {
    let Visible::Only(scopes) = visible else {
        return None;
    };
    let (mut values, mut any) = (Vec::new(), Vec::new());
    for scope in scopes {
        match scope {
            Scope::Fleet(fleet) => {
                any.push("scoped.fleet = ?".to_owned());
                values.push(Value::from(fleet.as_str()));
            }
            Scope::Selector(selector) => {
                let label = "EXISTS (SELECT 1 FROM json_each(scoped.labels) AS label \
                             WHERE label.key = ? AND label.value = ?)";
                let all = vec![label; selector.len()];
                any.push(match all.is_empty() {
                    true => "1".to_owned(),
                    false => format!("({})", all.join(" AND ")),
                });
                for (key, value) in selector {
                    values.extend([Value::from(key.as_str()), Value::from(value.as_str())]);
                }
            }
        }
    }
    if any.is_empty() {
        return Some(("0".to_owned(), values));
    }
    let sql = format!(
        "{column} IN (SELECT scoped.name FROM resources AS scoped \
         WHERE scoped.kind = 'Cluster' AND ({}))",
        any.join(" OR ")
    );
    Some((sql, values))
}

/// What a user may do.
pub async fn rights_of(conn: &DatabaseConnection, user: &Name) -> Result<Rights, StateError> {
    if schema::version(conn).await? < schema::ACCESS {
        return Ok(Rights::unlimited());
    }
    let rows = resources::Entity::find()
        .filter(resources::Column::Kind.eq(Text(Kind::RoleBinding)))
        .order_by_asc(resources::Column::Name)
        .all(conn)
        .await?;
    let bindings = rows
        .iter()
        .filter_map(|row| match &row.document.0.resource {
            Resource::RoleBinding(binding) => Some(binding),
            Resource::Repository(_)
            | Resource::Fleet(_)
            | Resource::Cluster(_)
            | Resource::Policy(_)
            | Resource::DrillPlan(_)
            | Resource::NotificationChannel(_) => None,
        });
    Ok(Rights::of(user, bindings))
}

/// Whether somebody who sees this sees the cluster; what is gone is seen only by
/// who sees everything.
pub async fn sees_cluster(
    conn: &DatabaseConnection,
    visible: &Visible,
    cluster: &Name,
) -> Result<bool, StateError> {
    if visible.is_everything() {
        return Ok(true);
    }
    let Some(row) = super::resource(conn, Kind::Cluster, cluster).await? else {
        return Ok(false);
    };
    let Some(fleet) = &row.fleet else {
        return Ok(false);
    };
    let labels = row.labels();
    Ok(visible.sees(Place { fleet, labels }))
}
