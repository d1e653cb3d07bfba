/**
 * The fields of a policy document, so that a slip is named while it is typed. The API
 * has the last word; a test holds this to its OpenAPI document.
 */
import { list, map, open, value, type Shape } from '../../../yaml/shape';

const drill = map({
  agent: value,
  at: value,
  checks: list(
    map({
      amcheck: value,
      checksums: value,
      database: value,
      expect: value,
      name: value,
      rowCounts: value,
      sql: value,
    }),
  ),
  cron: value,
  database: value,
  every: value,
  kind: value,
  name: value,
  region: value,
  repository: value,
  selector: open,
  timezone: value,
  window: value,
});

const schedule = map({
  blackouts: list(map({ from: value, to: value })),
  catchUp: value,
  catchUpMax: value,
  checkpoint: value,
  cron: value,
  databases: list(value),
  every: value,
  format: value,
  from: value,
  globals: value,
  jitter: value,
  jobs: value,
  kind: value,
  name: value,
  overlap: value,
  priority: value,
  retry: map({ idleTimeout: value, max: value }),
  schemaOnly: value,
  timezone: value,
  window: value,
});

const spec: Shape = map({
  approvals: map({ delete: value, restoreOver: value, shortenRetention: value }),
  compression: map({ codec: value, level: value }),
  copies: list(map({ repository: value, within: value })),
  drills: list(drill),
  limits: map({
    bandwidth: value,
    jobsPerFleet: value,
    jobsPerHost: value,
    jobsPerRepository: value,
  }),
  objectives: map({ rpo: value, rpoScope: value, rto: value, window: value }),
  priority: value,
  repository: value,
  retention: map({
    keep: map({ daily: value, last: value, monthly: value, weekly: value, yearly: value }),
    pitr: value,
    timezone: value,
  }),
  schedules: list(schedule),
  selector: open,
  wal: map({
    durability: value,
    flushEvery: value,
    maxRetained: value,
    mode: value,
    receiver: value,
    whenFull: value,
  }),
});

export const POLICY_SHAPE: Shape = map({
  apiVersion: value,
  kind: value,
  metadata: map({ name: value, fleet: value, labels: open }),
  spec,
});

/** What a DrillPlan says is what a drill of a policy says. */
export const PLAN_SHAPE: Shape = map({
  apiVersion: value,
  kind: value,
  metadata: map({ name: value, fleet: value, labels: open }),
  spec: drill,
});
