-- Version 13: expiry. Holds, and what is to be deleted or was (I-06). What stands
-- in `condemned` or `condemned_wal` never comes back. Never edited.
CREATE TABLE holds (
  backup TEXT PRIMARY KEY,
  reason TEXT NOT NULL,
  until INTEGER,
  placed_by TEXT NOT NULL,
  placed_at INTEGER NOT NULL,
  revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One row for each repository that a backup was in. An orphan is what an attempt
-- left that never committed.
CREATE TABLE condemned (
  backup TEXT NOT NULL,
  repository TEXT NOT NULL,
  cluster TEXT NOT NULL,
  lineage TEXT NOT NULL,
  cause TEXT NOT NULL,
  reason TEXT NOT NULL,
  state TEXT NOT NULL,
  condemned_at INTEGER NOT NULL,
  delete_after INTEGER NOT NULL,
  deleted_at INTEGER,
  PRIMARY KEY (backup, repository)
) STRICT, WITHOUT ROWID;
CREATE INDEX condemned_state ON condemned (state, delete_after);

CREATE TABLE condemned_wal (
  cluster TEXT NOT NULL,
  repository TEXT NOT NULL,
  lineage TEXT NOT NULL,
  timeline INTEGER NOT NULL,
  from_lsn INTEGER NOT NULL,
  to_lsn INTEGER NOT NULL,
  state TEXT NOT NULL,
  condemned_at INTEGER NOT NULL,
  delete_after INTEGER NOT NULL,
  PRIMARY KEY (cluster, repository, lineage, timeline, from_lsn)
) STRICT, WITHOUT ROWID;
CREATE INDEX condemned_wal_state ON condemned_wal (state, delete_after);
