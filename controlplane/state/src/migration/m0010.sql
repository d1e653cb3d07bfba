-- Version 10: pins. A backup that is pinned is kept until then, whatever else is
-- decided, because an incremental may build on it (I-06). Never edited.
CREATE TABLE pins (
  holder TEXT NOT NULL,
  backup TEXT NOT NULL,
  until INTEGER NOT NULL,
  pinned_at INTEGER NOT NULL,
  revision INTEGER NOT NULL,
  PRIMARY KEY (holder, backup)
) STRICT, WITHOUT ROWID;
CREATE INDEX pins_backup ON pins (backup, until);
CREATE INDEX pins_until ON pins (until);
