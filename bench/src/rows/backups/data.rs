//! What the cluster holds: tables of pgbench, events in jsonb, and blobs that no
//! codec makes smaller, in about equal parts.

use holdfast_pg::testkit::TestCluster;

/// Bytes of what one unit of pgbench's scale makes, indexes included.
const SCALE_BYTES: u64 = 15_700_000;
/// Bytes of one event, as a row with its part of the index.
const EVENT_BYTES: u64 = 410;
/// How full pages are, in percent: an update finds room where the row is.
const FILL: &str = "90";
/// Bytes of one blob, out of line.
const BLOB_BYTES: u64 = 260_000;

/// Makes about so many GB.
pub(super) fn make(server: &TestCluster, gigabytes: f64) {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a few gigabytes"
    )]
    let third = (gigabytes * 1e9 / 3.0) as u64;
    let scale = (third / SCALE_BYTES).max(1).to_string();
    server.pgbench(&["-i", "-q", "-F", FILL, "-s", &scale]);
    server.psql(&format!(
        "CREATE TABLE events (id bigint PRIMARY KEY, at timestamptz NOT NULL, body jsonb NOT NULL) \
         WITH (fillfactor = {FILL})\n\
         INSERT INTO events SELECT n, '2026-01-01'::timestamptz + n * interval '1 second', \
         jsonb_build_object('user', n % 50000, 'kind', (ARRAY['view','cart','order','refund'])[1 + n % 4], \
         'path', '/shop/' || n % 9973 || '/item/' || n % 1013, 'session', md5(n::text), \
         'agent', 'Mozilla/5.0 (X11; Linux x86_64) Browser/' || n % 120, \
         'amount', (n::bigint * 7919) % 100000, 'tags', jsonb_build_array(n % 7, n % 11, n % 13)) \
         FROM generate_series(1, {events}) n\n\
         CREATE TABLE blobs (id bigint PRIMARY KEY, body bytea NOT NULL)\n\
         ALTER TABLE blobs ALTER COLUMN body SET STORAGE EXTERNAL\n\
         INSERT INTO blobs SELECT n, (SELECT string_agg(\
         sha256(convert_to(n || '-' || part, 'UTF8')), ''::bytea) FROM generate_series(1, 8000) part) \
         FROM generate_series(1, {blobs}) n\n\
         VACUUM (FREEZE, ANALYZE)\n\
         CHECKPOINT",
        events = (third / EVENT_BYTES).max(1),
        blobs = (third / BLOB_BYTES).max(1),
    ));
}

/// Changes a page in a hundred of the tables, all over them, in what `round`
/// did not change before.
pub(super) fn change(server: &TestCluster, round: usize) {
    // About 55 accounts or 22 events share a page, which has room for the new
    // version of a row: no other page changes, and no index.
    server.psql(&format!(
        "UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid % 5500 = {offset}\n\
         UPDATE events SET at = now() WHERE id % 2200 = {offset}\n\
         CHECKPOINT",
        offset = 110 * round + 7,
    ));
}

/// Bytes of the database.
pub(super) fn bytes(server: &TestCluster) -> u64 {
    let said = server.psql("SELECT sum(pg_database_size(oid)) FROM pg_database");
    said.parse().unwrap_or_default()
}
