-- Restores: a row each, with a state that is moved by commands which name the state that
-- they leave. The order is never changed. Never edited.
CREATE TABLE restores (
  id TEXT PRIMARY KEY,
  state TEXT NOT NULL,
  cluster TEXT NOT NULL,
  fleet TEXT,
  agent TEXT NOT NULL,
  dir TEXT NOT NULL,
  repository TEXT NOT NULL,
  plan_hash BLOB NOT NULL,
  restore_order TEXT NOT NULL,
  history TEXT NOT NULL,
  tried TEXT NOT NULL,
  checks TEXT NOT NULL,
  handed_over TEXT NOT NULL,
  approval TEXT,
  requested_by TEXT,
  created_at INTEGER NOT NULL,
  begun_at INTEGER,
  restored_at INTEGER,
  finished_at INTEGER,
  loss_ms INTEGER,
  rto_ms INTEGER,
  result TEXT,
  failure TEXT,
  revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX restores_created ON restores (created_at, id);
CREATE INDEX restores_cluster ON restores (cluster, created_at, id);
CREATE INDEX restores_state ON restores (state, created_at, id);
CREATE INDEX restores_plan ON restores (plan_hash);
