-- Version 1 of the replicated state. Never edited: a later version is a later
-- file, run by a command in the log. Times are microseconds since 1970, WAL
-- positions are integers, text columns hold the one spelling of their value.

CREATE TABLE meta (
  key TEXT PRIMARY KEY,
  value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
  seq INTEGER PRIMARY KEY,
  log_index INTEGER NOT NULL,
  at INTEGER NOT NULL,
  principal TEXT NOT NULL,
  request TEXT NOT NULL,
  remote TEXT,
  action TEXT NOT NULL,
  target TEXT NOT NULL,
  detail TEXT NOT NULL,
  outcome TEXT NOT NULL,
  previous BLOB NOT NULL,
  hash BLOB NOT NULL
) STRICT;
CREATE INDEX audit_at ON audit (at);
CREATE INDEX audit_principal ON audit (principal, seq);
CREATE INDEX audit_action ON audit (action, seq);
CREATE INDEX audit_target ON audit (target, seq);

CREATE TABLE idempotency (
  principal TEXT NOT NULL,
  key TEXT NOT NULL,
  fingerprint BLOB NOT NULL,
  reply BLOB NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (principal, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_at ON idempotency (at);

CREATE TABLE pki (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  ca_certificate TEXT NOT NULL,
  ca_key BLOB NOT NULL,
  founder TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE signing_keys (
  id TEXT PRIMARY KEY,
  sealed BLOB NOT NULL,
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE users (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  password TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  revision INTEGER NOT NULL
) STRICT;

CREATE TABLE sessions (
  id TEXT PRIMARY KEY,
  user TEXT NOT NULL,
  refresh BLOB NOT NULL UNIQUE,
  created_at INTEGER NOT NULL,
  refreshed_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_user ON sessions (user);
CREATE INDEX sessions_expiry ON sessions (expires_at);

-- Refresh tokens that were exchanged: seeing one again means it was stolen.
CREATE TABLE spent_refreshes (
  refresh BLOB PRIMARY KEY,
  session TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX spent_refreshes_session ON spent_refreshes (session);

CREATE TABLE api_tokens (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  user TEXT NOT NULL,
  hash BLOB NOT NULL UNIQUE,
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  revoked_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX api_tokens_name ON api_tokens (name) WHERE revoked_at IS NULL;
CREATE INDEX api_tokens_user ON api_tokens (user);

CREATE TABLE join_tokens (
  id TEXT PRIMARY KEY,
  hash BLOB NOT NULL,
  region TEXT,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  used_at INTEGER,
  used_by TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX join_tokens_expiry ON join_tokens (expires_at);

CREATE TABLE agents (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  region TEXT,
  serial TEXT NOT NULL,
  fingerprint BLOB NOT NULL UNIQUE,
  certificate_expires_at INTEGER NOT NULL,
  enrolled_at INTEGER NOT NULL,
  revoked_at INTEGER,
  revision INTEGER NOT NULL
) STRICT;

CREATE TABLE instances (
  agent TEXT NOT NULL,
  cluster TEXT NOT NULL,
  facts TEXT NOT NULL,
  recorded_at INTEGER NOT NULL,
  PRIMARY KEY (agent, cluster)
) STRICT, WITHOUT ROWID;
CREATE INDEX instances_cluster ON instances (cluster, agent);

CREATE TABLE resources (
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  fleet TEXT,
  labels TEXT NOT NULL,
  document TEXT NOT NULL,
  revision INTEGER NOT NULL,
  created_revision INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  retired_at INTEGER,
  PRIMARY KEY (kind, name)
) STRICT;
CREATE INDEX resources_fleet ON resources (kind, fleet, name);

-- Which document names what, so that nothing used is deleted.
CREATE TABLE resource_references (
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  field TEXT NOT NULL,
  target_kind TEXT NOT NULL,
  target TEXT NOT NULL,
  PRIMARY KEY (kind, name, field)
) STRICT, WITHOUT ROWID;
CREATE INDEX resource_references_target ON resource_references (target_kind, target);

CREATE TABLE repository_keys (
  repository TEXT PRIMARY KEY,
  sealed BLOB NOT NULL,
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE repository_identities (
  repository TEXT PRIMARY KEY,
  identity TEXT NOT NULL,
  recorded_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE secrets (
  name TEXT PRIMARY KEY,
  sealed BLOB NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE jobs (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  state TEXT NOT NULL,
  cluster TEXT NOT NULL,
  repository TEXT NOT NULL,
  agent TEXT,
  holder TEXT,
  spec TEXT NOT NULL,
  created_by TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  started_at INTEGER,
  finished_at INTEGER,
  not_before INTEGER,
  attempts INTEGER NOT NULL,
  attempts_max INTEGER NOT NULL,
  generation INTEGER NOT NULL,
  phase TEXT,
  cancel_requested INTEGER NOT NULL,
  backup TEXT,
  result TEXT,
  failure TEXT,
  superseded_by TEXT,
  revision INTEGER NOT NULL
) STRICT;
CREATE INDEX jobs_created ON jobs (created_at, id);
CREATE INDEX jobs_cluster ON jobs (cluster, created_at, id);
CREATE INDEX jobs_state ON jobs (state, created_at, id);
CREATE INDEX jobs_kind ON jobs (kind, created_at, id);

CREATE TABLE job_attempts (
  job TEXT NOT NULL,
  number INTEGER NOT NULL,
  generation INTEGER NOT NULL,
  agent TEXT NOT NULL,
  agent_name TEXT NOT NULL,
  leased_at INTEGER NOT NULL,
  started_at INTEGER,
  finished_at INTEGER,
  outcome TEXT,
  failure TEXT,
  log TEXT NOT NULL,
  PRIMARY KEY (job, number)
) STRICT;

CREATE TABLE job_phases (
  job TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  position INTEGER NOT NULL,
  phase TEXT NOT NULL,
  started_at INTEGER NOT NULL,
  PRIMARY KEY (job, attempt, position)
) STRICT, WITHOUT ROWID;

-- One row per job in an agent's hands and per standing duty. A duty's row
-- outlives its withdrawal, for its generation must never start again (I-04).
CREATE TABLE assignments (
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  id TEXT NOT NULL UNIQUE,
  job TEXT,
  cluster TEXT NOT NULL,
  repository TEXT NOT NULL,
  agent TEXT NOT NULL,
  generation INTEGER NOT NULL,
  state TEXT NOT NULL,
  since INTEGER NOT NULL,
  PRIMARY KEY (kind, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX assignments_agent ON assignments (agent, state);
CREATE INDEX assignments_cluster ON assignments (cluster, state);
CREATE INDEX assignments_state ON assignments (state, kind);

CREATE TABLE backups (
  id TEXT PRIMARY KEY,
  job TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  cluster TEXT NOT NULL,
  repository TEXT NOT NULL,
  kind TEXT NOT NULL,
  parent TEXT,
  state TEXT NOT NULL,
  lineage TEXT,
  timeline INTEGER,
  start_lsn INTEGER,
  stop_lsn INTEGER,
  started_at INTEGER NOT NULL,
  finished_at INTEGER,
  database_bytes INTEGER,
  added_bytes INTEGER,
  server_version INTEGER,
  failure TEXT,
  revision INTEGER NOT NULL
) STRICT;
CREATE INDEX backups_started ON backups (started_at, id);
CREATE INDEX backups_cluster ON backups (cluster, started_at, id);
CREATE INDEX backups_cluster_state ON backups (cluster, state, started_at, id);
CREATE INDEX backups_state ON backups (state, started_at, id);
CREATE INDEX backups_kind ON backups (kind, started_at, id);
CREATE INDEX backups_job ON backups (job);

-- Where the bytes of a backup are. Kind, state and start are the backup's, so
-- that the backups of a repository are found from an index.
CREATE TABLE backup_repositories (
  backup TEXT NOT NULL,
  repository TEXT NOT NULL,
  kind TEXT NOT NULL,
  state TEXT NOT NULL,
  started_at INTEGER NOT NULL,
  recorded_at INTEGER NOT NULL,
  PRIMARY KEY (backup, repository)
) STRICT, WITHOUT ROWID;
CREATE INDEX backup_repositories_started ON backup_repositories (repository, started_at, backup);
CREATE INDEX backup_repositories_state ON backup_repositories (repository, state, started_at, backup);
CREATE INDEX backup_repositories_kind ON backup_repositories (repository, kind, started_at, backup);

CREATE TABLE wal_ranges (
  cluster TEXT NOT NULL,
  repository TEXT NOT NULL,
  lineage TEXT NOT NULL,
  timeline INTEGER NOT NULL,
  from_lsn INTEGER NOT NULL,
  to_lsn INTEGER NOT NULL,
  PRIMARY KEY (cluster, repository, lineage, timeline, from_lsn)
) STRICT, WITHOUT ROWID;
CREATE INDEX wal_ranges_repository ON wal_ranges (repository);

CREATE TABLE wal_gaps (
  cluster TEXT NOT NULL,
  repository TEXT NOT NULL,
  lineage TEXT NOT NULL,
  timeline INTEGER NOT NULL,
  from_lsn INTEGER NOT NULL,
  to_lsn INTEGER NOT NULL,
  reason TEXT NOT NULL,
  recorded_at INTEGER NOT NULL,
  PRIMARY KEY (cluster, repository, lineage, timeline, from_lsn, to_lsn)
) STRICT, WITHOUT ROWID;

CREATE TABLE frontiers (
  cluster TEXT NOT NULL,
  repository TEXT NOT NULL,
  lineage TEXT NOT NULL,
  timeline INTEGER NOT NULL,
  lsn INTEGER NOT NULL,
  event_time INTEGER NOT NULL,
  recorded_time INTEGER NOT NULL,
  PRIMARY KEY (cluster, repository)
) STRICT, WITHOUT ROWID;

-- Every checkpoint of a frontier, for reports as known at any time.
CREATE TABLE exposure_facts (
  cluster TEXT NOT NULL,
  repository TEXT NOT NULL,
  log_index INTEGER NOT NULL,
  lineage TEXT NOT NULL,
  timeline INTEGER NOT NULL,
  lsn INTEGER NOT NULL,
  event_time INTEGER NOT NULL,
  recorded_time INTEGER NOT NULL,
  PRIMARY KEY (cluster, repository, recorded_time, log_index)
) STRICT, WITHOUT ROWID;
