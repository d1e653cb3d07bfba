-- Access: requests for the consent of others, each with the command that it holds,
-- and what people said to them. Bindings of roles are resources. Never edited.
CREATE TABLE approvals (
  id TEXT PRIMARY KEY,
  state TEXT NOT NULL,
  action TEXT NOT NULL,
  subject TEXT NOT NULL,
  clusters TEXT,
  because TEXT NOT NULL,
  command TEXT NOT NULL,
  digest BLOB NOT NULL,
  needed INTEGER NOT NULL,
  requested_by TEXT NOT NULL,
  user TEXT NOT NULL,
  reason TEXT,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  decided_at INTEGER,
  outcome TEXT,
  asked_revision INTEGER NOT NULL,
  revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX approvals_created ON approvals (created_at, id);
CREATE INDEX approvals_state ON approvals (state, created_at, id);
CREATE INDEX approvals_digest ON approvals (digest, user);

CREATE TABLE approval_votes (
  approval TEXT NOT NULL,
  user TEXT NOT NULL,
  principal TEXT NOT NULL,
  vote TEXT NOT NULL,
  note TEXT,
  at INTEGER NOT NULL,
  PRIMARY KEY (approval, user)
) STRICT, WITHOUT ROWID;
