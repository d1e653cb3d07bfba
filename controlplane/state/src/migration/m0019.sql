-- Version 19: what policies said before. One row for each revision; the one of a
-- deletion says nothing. Never edited.
CREATE TABLE policy_revisions (
  policy TEXT NOT NULL,
  revision INTEGER NOT NULL,
  document TEXT,
  changed_by TEXT,
  changed_at INTEGER NOT NULL,
  PRIMARY KEY (policy, revision)
) STRICT, WITHOUT ROWID;
