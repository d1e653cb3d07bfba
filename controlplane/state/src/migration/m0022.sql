-- Inventory: the PostgreSQL servers that agents found on their hosts, declared or
-- not, and those that people said need no protection.
CREATE TABLE discovered_instances (
  agent TEXT NOT NULL,
  data_directory TEXT NOT NULL,
  instance TEXT NOT NULL,
  first_seen INTEGER NOT NULL,
  recorded_at INTEGER NOT NULL,
  PRIMARY KEY (agent, data_directory)
) STRICT, WITHOUT ROWID;

CREATE TABLE ignored_instances (
  agent TEXT NOT NULL,
  data_directory TEXT NOT NULL,
  reason TEXT NOT NULL,
  ignored_by TEXT NOT NULL,
  ignored_at INTEGER NOT NULL,
  PRIMARY KEY (agent, data_directory)
) STRICT, WITHOUT ROWID;
