-- Version 5: snapshots of this state in repositories, and what comparing the
-- catalog with repositories found. Never edited.

-- What is in the repositories, as far as known; a row without a place in the
-- log is wanted, or has failed.
CREATE TABLE state_snapshots (
  id TEXT PRIMARY KEY,
  repository TEXT NOT NULL,
  state TEXT NOT NULL,
  requested_at INTEGER NOT NULL,
  log_index INTEGER,
  taken_at INTEGER,
  stored_bytes INTEGER,
  node TEXT,
  failure TEXT,
  revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX state_snapshots_repository ON state_snapshots (repository, state);

-- When each repository was last compared with the catalog.
CREATE TABLE repository_scans (
  repository TEXT PRIMARY KEY,
  requested_at INTEGER,
  scanned_at INTEGER,
  backups INTEGER NOT NULL,
  adopted INTEGER NOT NULL,
  tried_at INTEGER,
  failure TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE findings (
  repository TEXT NOT NULL,
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  cluster TEXT,
  detail TEXT NOT NULL,
  first_seen INTEGER NOT NULL,
  last_seen INTEGER NOT NULL,
  PRIMARY KEY (repository, kind, subject)
) STRICT, WITHOUT ROWID;
