-- Version 3: schedules, and what became of each of their due times. Never edited.

-- Up to when the due times of a schedule of a cluster are decided on, and for
-- which times it was: another line or period begins anew.
CREATE TABLE schedule_marks (
  cluster TEXT NOT NULL,
  schedule TEXT NOT NULL,
  anchor TEXT NOT NULL,
  until INTEGER NOT NULL,
  revision INTEGER NOT NULL,
  PRIMARY KEY (cluster, schedule)
) STRICT, WITHOUT ROWID;

-- A row is a due time, or a range of them that were missed: from `due` to
-- `last`, `count` of them.
CREATE TABLE runs (
  id TEXT PRIMARY KEY,
  cluster TEXT NOT NULL,
  schedule TEXT NOT NULL,
  due INTEGER NOT NULL,
  last INTEGER NOT NULL,
  count INTEGER NOT NULL,
  state TEXT NOT NULL,
  late INTEGER NOT NULL,
  reason TEXT,
  job TEXT,
  decided_at INTEGER NOT NULL,
  revision INTEGER NOT NULL
) STRICT;
CREATE INDEX runs_due ON runs (due, id);
CREATE INDEX runs_cluster ON runs (cluster, due, id);
CREATE INDEX runs_schedule ON runs (cluster, schedule, due, id);
CREATE INDEX runs_state ON runs (state, due, id);

-- What the queue must know of a run's job while that is not over.
CREATE TABLE job_queue (
  job TEXT PRIMARY KEY,
  run TEXT NOT NULL,
  cluster TEXT NOT NULL,
  schedule TEXT NOT NULL,
  due INTEGER NOT NULL,
  priority INTEGER NOT NULL,
  latest INTEGER,
  idle_timeout_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX job_queue_schedule ON job_queue (cluster, schedule, due);
CREATE INDEX job_queue_latest ON job_queue (latest);
