-- Version 20: drills. What one showed is written once, when it has ended, and never
-- changed. Never edited.
CREATE TABLE drills (
  id TEXT PRIMARY KEY,
  job TEXT NOT NULL,
  cluster TEXT NOT NULL,
  fleet TEXT,
  schedule TEXT,
  repository TEXT NOT NULL,
  agent TEXT NOT NULL,
  backup TEXT,
  kind TEXT,
  target TEXT,
  target_at INTEGER,
  reached_at INTEGER,
  reached_lsn INTEGER,
  asked_at INTEGER NOT NULL,
  started_at INTEGER NOT NULL,
  finished_at INTEGER NOT NULL,
  verdict TEXT NOT NULL,
  cause TEXT,
  rto_ms INTEGER,
  rpo_ms INTEGER,
  queue_ms INTEGER NOT NULL,
  evidence TEXT,
  revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX drills_finished ON drills (finished_at, id);
CREATE INDEX drills_cluster ON drills (cluster, finished_at, id);
CREATE INDEX drills_fleet ON drills (fleet, finished_at, id);
CREATE INDEX drills_verdict ON drills (cluster, verdict, finished_at);
