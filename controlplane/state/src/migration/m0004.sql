-- Version 4: what agents did on their own, and results that came too late. Never edited.

-- Every attempt that an agent was given, or gave itself on its own, by what its
-- reports name: whose a late report is must be known when the job is in other
-- hands. `backup` is set where it does not follow from the job. `taken_back`
-- says that the control plane ended the attempt, and not its agent's report.
CREATE TABLE leases (
  assignment TEXT NOT NULL,
  generation INTEGER NOT NULL,
  job TEXT NOT NULL,
  agent TEXT NOT NULL,
  agent_name TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  backup TEXT,
  taken_back INTEGER NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (assignment, generation)
) STRICT, WITHOUT ROWID;
CREATE INDEX leases_job ON leases (job, generation);
CREATE INDEX leases_at ON leases (at);
INSERT INTO leases
  SELECT a.id, a.generation, a.job, a.agent, n.name, j.attempts, NULL, 0, a.since
  FROM assignments a JOIN jobs j ON j.id = a.job JOIN agents n ON n.id = a.agent
  WHERE a.state = 'active';

-- Results that were refused because the attempt was not its agent's any more.
CREATE TABLE late_results (
  assignment TEXT NOT NULL,
  generation INTEGER NOT NULL,
  job TEXT NOT NULL,
  agent TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  outcome TEXT NOT NULL,
  failure TEXT,
  backup TEXT,
  backup_recorded INTEGER NOT NULL,
  refused TEXT NOT NULL,
  log TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (assignment, generation)
) STRICT, WITHOUT ROWID;
CREATE INDEX late_results_job ON late_results (job, generation);
CREATE INDEX late_results_at ON late_results (at, assignment, generation);

-- Runs whose record an agent made on its own, and what was on record before.
CREATE TABLE offline_runs (
  run TEXT PRIMARY KEY,
  agent TEXT NOT NULL,
  state_before TEXT,
  reason_before TEXT,
  at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
