-- Notices: what is wrong for as long as it is, the times in which nobody is told, and
-- what each channel is told with how far that is. Never edited.
CREATE TABLE alarms (
  id TEXT PRIMARY KEY,
  rule TEXT NOT NULL,
  subject TEXT NOT NULL,
  fleet TEXT,
  cluster TEXT,
  severity TEXT NOT NULL,
  mark TEXT NOT NULL,
  detail TEXT NOT NULL,
  count INTEGER NOT NULL,
  opened_at INTEGER NOT NULL,
  seen_at INTEGER NOT NULL,
  closed_at INTEGER,
  acknowledged_at INTEGER,
  acknowledged_by TEXT,
  note TEXT,
  told TEXT NOT NULL,
  owed INTEGER NOT NULL,
  revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX alarms_open ON alarms (rule, subject) WHERE closed_at IS NULL;
CREATE INDEX alarms_owed ON alarms (owed) WHERE owed = 1;
CREATE INDEX alarms_opened ON alarms (opened_at, id);
CREATE INDEX alarms_rule ON alarms (rule, opened_at, id);
CREATE INDEX alarms_cluster ON alarms (cluster, opened_at, id);
CREATE INDEX alarms_fleet ON alarms (fleet, opened_at, id);
CREATE INDEX alarms_closed ON alarms (closed_at);

CREATE TABLE silences (
  id TEXT PRIMARY KEY,
  rule TEXT,
  fleet TEXT,
  cluster TEXT,
  reason TEXT NOT NULL,
  until INTEGER NOT NULL,
  created_by TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX silences_until ON silences (until);

CREATE TABLE notices (
  id TEXT PRIMARY KEY,
  channel TEXT NOT NULL,
  kind TEXT NOT NULL,
  rule TEXT NOT NULL,
  fleet TEXT,
  thread TEXT NOT NULL,
  alarms TEXT NOT NULL,
  remaining INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  state TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  next_at INTEGER,
  error TEXT,
  done_at INTEGER,
  revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX notices_channel ON notices (channel, created_at, id);
CREATE INDEX notices_state ON notices (state, next_at, id);
CREATE INDEX notices_done ON notices (channel, done_at, id);
