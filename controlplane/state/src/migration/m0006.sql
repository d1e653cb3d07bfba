-- From which instance a cluster's WAL is received, when that is not the one on
-- the receiver's own host.
CREATE TABLE wal_sources (
  cluster TEXT NOT NULL,
  repository TEXT NOT NULL,
  instance TEXT NOT NULL,
  PRIMARY KEY (cluster, repository)
) STRICT, WITHOUT ROWID;
