//! Lists: filters, pages, and that each is answered from an index.

use holdfast_state::StateError;
use holdfast_state::command::{FinishJob, JobOutcome};
use holdfast_state::query::{
    self, BackupFilter, JobFilter, LIMIT_MAX, Page, PageRequest, ResourceFilter,
};
use holdfast_types::resource::Kind;
use holdfast_types::{BackupKind, BackupState, JobKind, JobState};
use jiff::SignedDuration;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::json;

use crate::fixture::{
    apply, backup_job, cluster, committed, document, job_id, lease, name, repository,
};
use crate::harness::TestState;

/// Six jobs of `orders`, each with a backup, the last one only queued; two
/// were created at the same moment.
async fn busy() -> TestState {
    let mut state = TestState::protecting().await;
    state.accept(apply([repository("us")])).await;
    for number in 1..=6u128 {
        if number != 4 {
            state.pass(SignedDuration::from_secs(60));
        }
        let place = if number % 2 == 0 { "us" } else { "eu" };
        let mut job = backup_job(number);
        job.repository = name(place);
        job.kind = if number == 1 {
            JobKind::Restore
        } else {
            JobKind::Backup
        };
        state.accept(job).await;
        if number == 6 {
            break;
        }
        let given = state.accept(lease(number, 1, number)).await;
        let mut commit = committed(number, number, &[(100, 200)]);
        commit.backup.repository = name(place);
        commit.backup.started_at = state.now;
        let finish = FinishJob {
            job: job_id(number),
            generation: given.generation,
            outcome: JobOutcome::Succeeded {
                result: json!({}),
                backup: Some(Box::new(commit)),
            },
            log: Vec::new(),
        };
        state.accept(finish).await;
    }
    state
}

/// The numbers of the ids of all items, page by page.
async fn walk<T, F>(
    limit: u64,
    mut fetch: impl FnMut(PageRequest) -> F,
    id: impl Fn(&T) -> u128,
) -> Vec<u128>
where
    F: Future<Output = Result<Page<T>, StateError>>,
{
    let mut request = PageRequest::first(limit);
    let mut seen = Vec::new();
    loop {
        let page = fetch(request.clone()).await.unwrap();
        assert!(page.items.len() as u64 <= limit);
        seen.extend(page.items.iter().map(&id));
        match page.next_cursor {
            None => return seen,
            cursor => request.cursor = cursor,
        }
    }
}

async fn jobs(state: &TestState, filter: JobFilter, limit: u64) -> Vec<u128> {
    let fetch = |request| {
        let filter = filter.clone();
        async move { query::jobs(&state.conn, &filter, &request).await }
    };
    walk(limit, fetch, |job| job.id.uuid().as_u128()).await
}

async fn backups(state: &TestState, filter: BackupFilter, limit: u64) -> Vec<u128> {
    let fetch = |request| {
        let filter = filter.clone();
        async move { query::backups(&state.conn, &filter, &request).await }
    };
    walk(limit, fetch, |backup| backup.id.uuid().as_u128()).await
}

#[tokio::test]
async fn jobs_are_listed_newest_first_in_pages_of_any_size() {
    let state = busy().await;
    for limit in 1..=7 {
        let all = jobs(&state, JobFilter::default(), limit).await;
        assert_eq!(all, [6, 5, 4, 3, 2, 1], "pages of {limit}");
    }
    let filter = JobFilter {
        state: Some(JobState::Succeeded),
        cluster: Some(name("orders")),
        ..JobFilter::default()
    };
    assert_eq!(jobs(&state, filter, 2).await, [5, 4, 3, 2, 1]);
    let filter = JobFilter {
        kind: Some(JobKind::Restore),
        ..JobFilter::default()
    };
    assert_eq!(jobs(&state, filter, 2).await, [1]);
    let filter = JobFilter {
        cluster: Some(name("shop")),
        ..JobFilter::default()
    };
    assert_eq!(jobs(&state, filter, 2).await, []);
}

#[tokio::test]
async fn jobs_are_found_by_agent_fleet_and_time() {
    let state = busy().await;
    let agents = |agent: &str| JobFilter {
        agent: Some(name(agent)),
        ..JobFilter::default()
    };
    let all = query::jobs(&state.conn, &JobFilter::default(), &PageRequest::longest()).await;
    let all = all.unwrap().items;
    let held = all.iter().find_map(|job| job.agent.clone()).unwrap();
    let of_it =
        |job: &&query::JobView| job.agent.as_ref().or(job.wanted_agent.as_ref()) == Some(&held);
    let expected: Vec<u128> = all
        .iter()
        .filter(of_it)
        .map(|job| job.id.uuid().as_u128())
        .collect();
    assert!(!expected.is_empty());
    assert_eq!(jobs(&state, agents(held.as_str()), 2).await, expected);
    assert_eq!(jobs(&state, agents("nobody"), 2).await, []);
    let since = all[1].created_at;
    let filter = JobFilter {
        since: Some(since),
        ..JobFilter::default()
    };
    let expected = all.iter().filter(|job| job.created_at >= since).count();
    assert_eq!(jobs(&state, filter, 2).await.len(), expected);
    let fleet = |fleet: &str| JobFilter {
        fleet: Some(name(fleet)),
        ..JobFilter::default()
    };
    assert_eq!(jobs(&state, fleet("elsewhere"), 2).await, []);
    let whole = jobs(&state, fleet("default"), 2).await;
    assert!(!whole.is_empty(), "its clusters are in the usual fleet");
}

#[tokio::test]
async fn backups_are_found_by_cluster_state_kind_and_repository() {
    let state = busy().await;
    let none = BackupFilter::default;
    let in_repository = |cluster: Option<&str>| BackupFilter {
        repository: Some(name("us")),
        cluster: cluster.map(name),
        ..none()
    };
    for limit in 1..=6 {
        assert_eq!(backups(&state, none(), limit).await, [5, 4, 3, 2, 1]);
        assert_eq!(backups(&state, in_repository(None), limit).await, [4, 2]);
        assert_eq!(
            backups(&state, in_repository(Some("orders")), limit).await,
            [4, 2]
        );
    }
    assert_eq!(backups(&state, in_repository(Some("shop")), 3).await, []);
    let of = |state| BackupFilter {
        state: Some(state),
        cluster: Some(name("orders")),
        ..none()
    };
    assert_eq!(
        backups(&state, of(BackupState::Available), 9).await.len(),
        5
    );
    assert_eq!(backups(&state, of(BackupState::Failed), 9).await, []);
    let logical = |repository: Option<&str>| BackupFilter {
        kind: Some(BackupKind::Logical),
        repository: repository.map(name),
        ..none()
    };
    assert_eq!(backups(&state, logical(None), 9).await, []);
    assert_eq!(backups(&state, logical(Some("us")), 9).await, []);
    let of = |state, kind| BackupFilter {
        state: Some(state),
        kind: Some(kind),
        repository: Some(name("eu")),
        ..none()
    };
    let full = of(BackupState::Available, BackupKind::Full);
    assert_eq!(backups(&state, full, 1).await, [5, 3, 1]);
    let failed = of(BackupState::Failed, BackupKind::Full);
    assert_eq!(backups(&state, failed, 1).await, []);
}

#[tokio::test]
async fn queued_jobs_come_oldest_first() {
    let mut state = TestState::protecting().await;
    for number in [2, 1, 3] {
        state.pass(SignedDuration::from_secs(1));
        state.accept(backup_job(number)).await;
    }
    let queued = query::queued_jobs(&state.conn, state.now, 2).await.unwrap();
    let ids: Vec<_> = queued.iter().map(|job| job.id).collect();
    assert_eq!(ids, [job_id(2), job_id(1)]);
}

#[tokio::test]
async fn resources_are_filtered_by_labels_and_fleet() {
    let mut state = TestState::protecting().await;
    let mut documents = vec![document("Fleet", json!({"name": "web"}), json!({}))];
    for number in 0..25 {
        let colour = if number % 10 == 0 { "red" } else { "blue" };
        documents.push(cluster(
            &format!("c{number:02}"),
            "db1",
            json!({"colour": colour}),
        ));
    }
    let spec = json!({"instances": [{"agent": "db1", "connection": "port=1"}]});
    let metadata = json!({"name": "shop", "fleet": "web"});
    documents.push(document("Cluster", metadata, spec));
    state.accept(apply(documents)).await;
    let listed = async |filter: ResourceFilter, limit| {
        let mut request = PageRequest::first(limit);
        let mut names = Vec::new();
        loop {
            let page = query::resources(&state.conn, Kind::Cluster, &filter, &request);
            let page = page.await.unwrap();
            names.extend(page.items.iter().map(|one| one.name().to_string()));
            match page.next_cursor {
                None => return names,
                cursor => request.cursor = cursor,
            }
        }
    };
    for limit in 1..=4 {
        let red = ResourceFilter {
            labels: [("colour".to_owned(), "red".to_owned())].into(),
            ..ResourceFilter::default()
        };
        assert_eq!(listed(red, limit).await, ["c00", "c10", "c20"]);
    }
    let web = ResourceFilter {
        fleet: Some(name("web")),
        ..ResourceFilter::default()
    };
    assert_eq!(listed(web, 9).await, ["shop"]);
    assert_eq!(listed(ResourceFilter::default(), 10).await.len(), 27);
}

#[tokio::test]
async fn a_foreign_cursor_is_refused() {
    let state = busy().await;
    let page = query::jobs(&state.conn, &JobFilter::default(), &PageRequest::first(1)).await;
    let cursor = page.unwrap().next_cursor;
    for cursor in [cursor, Some("%%%".to_owned()), Some(String::new())] {
        let request = PageRequest { limit: 1, cursor };
        let backups = query::backups(&state.conn, &BackupFilter::default(), &request).await;
        assert!(matches!(backups, Err(StateError::BadCursor)));
    }
}

#[tokio::test]
async fn a_page_is_never_longer_than_the_longest() {
    let state = busy().await;
    let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200) \
                INSERT INTO secrets SELECT 's' || i, x'00', 0, 0, 1 FROM n";
    state.conn.execute_unprepared(many).await.unwrap();
    let greedy = PageRequest::first(u64::MAX);
    let page = query::secrets(&state.conn, &greedy).await.unwrap();
    assert_eq!(page.items.len() as u64, LIMIT_MAX);
    assert!(page.next_cursor.is_some());
    let none = PageRequest::first(0);
    let page = query::secrets(&state.conn, &none).await.unwrap();
    assert_eq!(page.items.len(), 1, "a page of nothing would never end");
}

#[tokio::test]
async fn everything_is_counted() {
    let state = busy().await;
    let counts = query::counts(&state.conn).await.unwrap();
    assert_eq!(counts.agents, 2);
    assert_eq!(counts.resources["repositories"], 2);
    assert_eq!(counts.resources["fleets"], 1);
    assert_eq!((counts.jobs["succeeded"], counts.jobs["queued"]), (5, 1));
    assert_eq!(counts.backups["available"], 5);
}

/// A million rows must cost what a page costs: no list may read a whole table
/// or sort what it found.
#[tokio::test]
async fn every_list_is_answered_from_an_index() {
    let state = busy().await;
    let newest = |table: &str, filter: &str| {
        let time = if table == "jobs" {
            "created_at"
        } else {
            "started_at"
        };
        let seek = format!("{time} <= 9 AND ({time} < 9 OR ({time} = 9 AND id < 'x'))");
        let order = format!("ORDER BY {time} DESC, id DESC LIMIT 3");
        format!("SELECT * FROM {table} WHERE {filter} AND {seek} {order}")
    };
    let in_repository = |filter: &str| {
        let seek = "started_at <= 9 AND (started_at < 9 OR (started_at = 9 AND backup < 'x'))";
        format!(
            "SELECT * FROM backup_repositories WHERE repository = 'eu' {filter} AND {seek} \
             ORDER BY started_at DESC, backup DESC LIMIT 3"
        )
    };
    let queries = [
        newest("jobs", "true"),
        newest("jobs", "state = 'failed'"),
        newest("jobs", "kind = 'backup'"),
        newest("jobs", "cluster = 'orders' AND state = 'failed'"),
        newest("backups", "true"),
        newest("backups", "cluster = 'orders'"),
        newest("backups", "cluster = 'orders' AND state = 'available'"),
        newest("backups", "state = 'failed'"),
        newest("backups", "kind = 'logical'"),
        "SELECT * FROM jobs WHERE state = 'queued' ORDER BY created_at, id LIMIT 3".to_owned(),
        in_repository(""),
        in_repository("AND state = 'failed'"),
        in_repository("AND kind = 'logical'"),
        "SELECT * FROM audit WHERE principal = 'user:a' AND seq < 9 ORDER BY seq DESC LIMIT 3"
            .to_owned(),
        "SELECT * FROM audit WHERE action = 'a' AND seq < 9 ORDER BY seq DESC LIMIT 3".to_owned(),
        "SELECT * FROM audit WHERE target = 'a' AND seq < 9 ORDER BY seq DESC LIMIT 3".to_owned(),
        "SELECT seq FROM audit WHERE at >= 9 ORDER BY at, seq LIMIT 1".to_owned(),
        "SELECT * FROM exposure_facts WHERE cluster = 'a' AND repository = 'b' \
         AND recorded_time >= 1 AND recorded_time < 2 ORDER BY recorded_time, log_index LIMIT 3"
            .to_owned(),
        "SELECT * FROM assignments WHERE agent = 'a' AND state = 'active'".to_owned(),
        "SELECT * FROM wal_ranges WHERE cluster = 'a'".to_owned(),
        "SELECT * FROM resources WHERE kind = 'Cluster' AND name > 'a' ORDER BY name LIMIT 3"
            .to_owned(),
        "SELECT * FROM resources WHERE kind = 'Cluster' AND fleet = 'f' ORDER BY name LIMIT 3"
            .to_owned(),
        "SELECT * FROM agents WHERE fingerprint = x'00'".to_owned(),
        "SELECT * FROM api_tokens WHERE hash = x'00'".to_owned(),
        "SELECT * FROM sessions WHERE refresh = x'00'".to_owned(),
        "SELECT state, count(*) FROM backups GROUP BY state".to_owned(),
    ];
    for sql in queries {
        let statement = Statement::from_string(
            state.conn.get_database_backend(),
            format!("EXPLAIN QUERY PLAN {sql}"),
        );
        let plan = state.conn.query_all_raw(statement).await.unwrap();
        let plan: Vec<String> = plan
            .iter()
            .map(|row| row.try_get("", "detail").unwrap())
            .collect();
        let plan = plan.join("; ");
        let scans = plan.contains("SCAN") && !plan.contains("INDEX");
        assert!(!scans && !plan.contains("TEMP B-TREE"), "{sql}\n{plan}");
    }
}
