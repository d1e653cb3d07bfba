-- Reports: the keys that sign them, and those that were made. Never edited.
CREATE TABLE report_keys (
  id TEXT PRIMARY KEY,
  certificate TEXT NOT NULL,
  sealed BLOB NOT NULL,
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE reports (
  id TEXT PRIMARY KEY,
  fleet TEXT NOT NULL,
  period_from INTEGER NOT NULL,
  period_to INTEGER NOT NULL,
  as_known_at INTEGER NOT NULL,
  clusters TEXT NOT NULL,
  made_by TEXT,
  made_at INTEGER NOT NULL,
  body_hash BLOB,
  revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX reports_made ON reports (made_at, id);
CREATE INDEX reports_known ON reports (fleet, as_known_at, made_at, id);
