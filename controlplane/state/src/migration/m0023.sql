-- Compliance: facts, what of them is in force, stretches of frontiers, and
-- exemptions. Verdicts are computed from these. Never edited.
CREATE TABLE compliance_facts (
  cluster TEXT NOT NULL,
  log_index INTEGER NOT NULL,
  number INTEGER NOT NULL,
  at INTEGER NOT NULL,
  known INTEGER NOT NULL,
  subject TEXT NOT NULL,
  ends INTEGER NOT NULL,
  fact TEXT NOT NULL,
  PRIMARY KEY (cluster, log_index, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX compliance_facts_known ON compliance_facts (known, cluster, subject, log_index, number);
CREATE INDEX compliance_facts_subject ON compliance_facts (cluster, subject, known);

CREATE TABLE compliance_in_force (
  cluster TEXT NOT NULL,
  subject TEXT NOT NULL,
  at INTEGER NOT NULL,
  known INTEGER NOT NULL,
  fact TEXT NOT NULL,
  PRIMARY KEY (cluster, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX compliance_in_force_subject ON compliance_in_force (subject, cluster);

CREATE TABLE compliance_stretches (
  cluster TEXT NOT NULL,
  repository TEXT NOT NULL,
  first_at INTEGER NOT NULL,
  last_at INTEGER NOT NULL,
  known_from INTEGER NOT NULL,
  known_to INTEGER NOT NULL,
  closed INTEGER NOT NULL,
  stretch TEXT NOT NULL,
  PRIMARY KEY (cluster, repository, first_at)
) STRICT, WITHOUT ROWID;
CREATE INDEX compliance_stretches_last ON compliance_stretches (cluster, last_at);
CREATE INDEX compliance_stretches_known ON compliance_stretches (closed, known_to);

CREATE TABLE exemptions (
  id TEXT PRIMARY KEY,
  cluster TEXT NOT NULL,
  reason TEXT NOT NULL,
  requested_by TEXT NOT NULL,
  approved_by TEXT NOT NULL,
  granted_at INTEGER NOT NULL,
  until INTEGER NOT NULL,
  ended_at INTEGER,
  ended_by TEXT,
  revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX exemptions_granted ON exemptions (granted_at, id);
CREATE INDEX exemptions_cluster ON exemptions (cluster, granted_at, id);
