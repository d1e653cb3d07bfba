-- Version 2: the control plane's own nodes, and renewed certificates of
-- agents. Never edited.

-- An id is given once: the row of a removed node stays, so that no later node
-- gets its id with an empty disk.
CREATE TABLE nodes (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  state TEXT NOT NULL,
  since INTEGER NOT NULL,
  joined_at INTEGER NOT NULL,
  revision INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX nodes_name ON nodes (name) WHERE state <> 'removed';

CREATE TABLE node_tokens (
  id TEXT PRIMARY KEY,
  hash BLOB NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  used_at INTEGER,
  used_by INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX node_tokens_expiry ON node_tokens (expires_at);

-- The next certificate of an agent, until the agent has shown it: an answer
-- that was lost must not lock the agent out.
CREATE TABLE agent_certificates (
  agent TEXT PRIMARY KEY,
  fingerprint BLOB NOT NULL UNIQUE,
  serial TEXT NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
