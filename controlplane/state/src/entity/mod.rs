//! The rows: one module per table, as `migration/` creates it.
//!
//! They stay inside this crate; what others see are the views of `query`.

// sea-orm's derive makes items `pub`; this private module keeps them inside.
#![expect(unreachable_pub, reason = "sea-orm's derive makes its items pub")]

pub(crate) mod agent_certificates;
pub(crate) mod agents;
pub(crate) mod alarms;
pub(crate) mod api_tokens;
pub(crate) mod approval_votes;
pub(crate) mod approvals;
pub(crate) mod assignments;
pub(crate) mod audit;
pub(crate) mod backup_repositories;
pub(crate) mod backups;
pub(crate) mod compliance_facts;
pub(crate) mod compliance_in_force;
pub(crate) mod compliance_stretches;
pub(crate) mod condemned;
pub(crate) mod condemned_wal;
pub(crate) mod discovered_instances;
pub(crate) mod drills;
pub(crate) mod exemptions;
pub(crate) mod exposure_facts;
pub(crate) mod findings;
pub(crate) mod frontiers;
pub(crate) mod holds;
pub(crate) mod idempotency;
pub(crate) mod ignored_instances;
pub(crate) mod instances;
pub(crate) mod job_attempts;
pub(crate) mod job_phases;
pub(crate) mod job_queue;
pub(crate) mod jobs;
pub(crate) mod join_tokens;
pub(crate) mod late_results;
pub(crate) mod leases;
pub(crate) mod meta;
pub(crate) mod node_tokens;
pub(crate) mod nodes;
pub(crate) mod notices;
pub(crate) mod offline_runs;
pub(crate) mod pins;
pub(crate) mod pki;
pub(crate) mod policy_revisions;
pub(crate) mod report_keys;
pub(crate) mod reports;
pub(crate) mod repository_identities;
pub(crate) mod repository_keys;
pub(crate) mod repository_scans;
pub(crate) mod resource_references;
pub(crate) mod resources;
pub(crate) mod restores;
pub(crate) mod runs;
pub(crate) mod schedule_marks;
pub(crate) mod secrets;
pub(crate) mod sessions;
pub(crate) mod signing_keys;
pub(crate) mod silences;
pub(crate) mod spent_refreshes;
pub(crate) mod state_snapshots;
pub(crate) mod users;
pub(crate) mod wal_gaps;
pub(crate) mod wal_ranges;
pub(crate) mod wal_sources;
pub(crate) mod word;

#[cfg(test)]
mod tests {
    use sea_orm::sea_query::ColumnType;
    use sea_orm::{ColumnTrait, Iterable};

    macro_rules! columns {
        ($($table:ident),* $(,)?) => {{
            let mut all = Vec::new();
            $(for column in super::$table::Column::iter() {
                let kind = column.def().get_column_type().clone();
                all.push((stringify!($table), format!("{column:?}"), kind));
            })*
            ([$(stringify!($table)),*], all)
        }};
    }

    type Found = (Vec<&'static str>, Vec<(&'static str, String, ColumnType)>);

    /// The first half of the tables, which are more than one function takes.
    fn first() -> Found {
        let (tables, columns) = columns!(
            agent_certificates,
            agents,
            alarms,
            api_tokens,
            approval_votes,
            approvals,
            assignments,
            audit,
            backup_repositories,
            backups,
            compliance_facts,
            compliance_in_force,
            compliance_stretches,
            condemned,
            condemned_wal,
            discovered_instances,
            drills,
            exemptions,
            exposure_facts,
            findings,
            frontiers,
            holds,
            idempotency,
            ignored_instances,
            instances,
            job_attempts,
            job_phases,
            job_queue,
            jobs,
            join_tokens,
        );
        (tables.to_vec(), columns)
    }

    fn second() -> Found {
        let (tables, columns) = columns!(
            late_results,
            leases,
            meta,
            node_tokens,
            nodes,
            notices,
            offline_runs,
            pins,
            pki,
            policy_revisions,
            report_keys,
            reports,
            repository_identities,
            repository_keys,
            repository_scans,
            resource_references,
            resources,
            restores,
            runs,
            schedule_marks,
            secrets,
            sessions,
            signing_keys,
            silences,
            spent_refreshes,
            state_snapshots,
            users,
            wal_gaps,
            wal_ranges,
            wal_sources,
        );
        (tables.to_vec(), columns)
    }

    /// The connection that writes hands out what SQLite keeps: integers as
    /// `i64`, text and bytes. A column of another type would decode as null.
    #[test]
    fn every_column_is_of_a_kind_that_sqlite_keeps() {
        let (mut tables, mut columns) = first();
        let (others, rest) = second();
        tables.extend(others);
        columns.extend(rest);
        let declared = include_str!("mod.rs");
        let declared = declared
            .lines()
            .filter(|line| line.starts_with("pub(crate) mod "));
        assert_eq!(
            tables.len() + 1,
            declared.count(),
            "a table is missing above"
        );
        for (table, column, kind) in columns {
            assert!(is_kept(&kind), "{table}.{column} is {kind:?}");
        }
    }

    const fn is_kept(kind: &ColumnType) -> bool {
        matches!(
            kind,
            ColumnType::Text
                | ColumnType::String(_)
                | ColumnType::BigInteger
                | ColumnType::Blob
                | ColumnType::VarBinary(_)
        )
    }
}
