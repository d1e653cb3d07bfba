/** Canned answers of work: jobs, restores, drills, backups, approvals; beside CannedApi. */
import type { Page, Route } from '@playwright/test';
import type { Schemas } from '../src/api/client';
import { CannedApi } from './api';

const ago = (seconds: number) => new Date(Date.now() - seconds * 1000).toISOString();
const id = (kind: string, number: number) => `${kind}_${String(number).padStart(32, '0')}`;
const CLUSTER = 'service-00000';

export const ids = {
  full: id('bkp', 1),
  incremental: id('bkp', 2),
  running: id('job', 11),
  queued: id('job', 12),
  restore: id('rst', 21),
  waiting: id('rst', 22),
  drill: id('drl', 31),
  mine: id('apr', 41),
  theirs: id('apr', 42),
};

function backup(number: number, changed: Partial<Schemas['BackupView']>): Schemas['BackupView'] {
  return {
    id: id('bkp', number),
    cluster: CLUSTER,
    job: id('job', 100 + number),
    kind: 'full',
    state: 'available',
    repositories: ['eu'],
    startedAt: ago(7300),
    finishedAt: ago(7200),
    databaseBytes: 415_208_933,
    addedBytes: 22_330_757,
    ...changed,
  };
}

function job(number: number, changed: Partial<Schemas['Job']>): Schemas['Job'] {
  return {
    id: id('job', number),
    kind: 'backup',
    cluster: CLUSTER,
    repository: 'eu',
    agent: 'db1',
    state: 'succeeded',
    createdAt: ago(300),
    startedAt: ago(290),
    finishedAt: ago(200),
    cancelRequested: false,
    ...changed,
  };
}

const plan: Schemas['RestorePlan'] = {
  cluster: CLUSTER,
  at: 'latest',
  lineage: '7714067909302692173-1',
  backup: ids.incremental,
  backupFinishedAt: ago(3600),
  timeline: 1,
  wal: { fromLsn: '0/21000028', toLsn: '0/22000148', lastRecordLsn: '0/22000110', segments: 2 },
  recoversTo: ago(1),
  lastCommitAt: ago(20),
  serverVersion: 150_018,
  databaseBytes: 415_208_933,
  fetchBytes: 100_000_000,
  estimatedSeconds: 5,
  problems: [],
  warnings: ['max_connections is raised to 200, as pg_control demands'],
};

function restore(number: number, changed: Partial<Schemas['Restore']>): Schemas['Restore'] {
  return {
    id: id('rst', number),
    state: 'done',
    job: id('job', number),
    cluster: CLUSTER,
    at: 'latest',
    agent: 'db2',
    dir: '/srv/copy',
    repository: 'eu',
    backup: ids.incremental,
    planHash: 'ab'.repeat(32),
    requestedBy: 'user:ada',
    plannedAt: ago(100),
    begunAt: ago(90),
    restoredAt: ago(80),
    finishedAt: ago(79),
    predictedDataLossSeconds: 0.8,
    achievedDataLossSeconds: 0.4,
    predictedRtoSeconds: 5,
    achievedRtoSeconds: 7.9,
    history: [{ state: 'planned', at: ago(100) }],
    copiesTried: [],
    checks: [{ name: 'reached', passed: true, seen: '0/22000148 of 0/22000148' }],
    handedOver: [],
    result: {
      dir: '/srv/copy',
      port: 5433,
      socketDir: '/srv/copy/.holdfast',
      timeline: 2,
      reachedLsn: '0/22000148',
      phases: [],
    },
    plan,
    ...changed,
  } as Schemas['Restore'];
}

const drill: Schemas['DrillResult'] = {
  id: ids.drill,
  job: id('job', 31),
  cluster: CLUSTER,
  verdict: 'passed',
  repository: 'eu',
  agent: 'db2',
  kind: 'physical',
  backup: ids.full,
  at: 'latest',
  askedAt: ago(500),
  startedAt: ago(499),
  finishedAt: ago(480),
  achievedRtoSeconds: 7.3,
  achievedRpoSeconds: 0.5,
  queuedSeconds: 0.1,
  phases: [{ phase: 'copy', milliseconds: 2353 }],
  checks: [
    {
      name: 'select count(*) from orders',
      kind: 'sql',
      expect: '> 0',
      seen: '12',
      passed: true,
      why: '12 is > 0',
      millis: 20,
    },
  ],
};

function approval(number: number, changed: Partial<Schemas['Approval']>): Schemas['Approval'] {
  return {
    id: id('apr', number),
    state: 'pending',
    action: 'condemn_backups',
    subject: `backups/${ids.full}`,
    clusters: [CLUSTER],
    because: ['the policy "gold" says approvals.delete: 2'],
    command: { condemn_backups: { backups: [] } } as never,
    needed: 2,
    approved: 0,
    requestedBy: 'user:bob',
    reason: 'the customer has left',
    createdAt: ago(600),
    expiresAt: ago(-86_400),
    votes: [],
    ...changed,
  };
}

export class WorkApi {
  readonly canned: CannedApi;
  /** What was sent to change something, in its order. */
  readonly sent: { method: string; path: string; body: unknown }[] = [];
  /** What beginning a restore answers. */
  approvalNeeded = false;

  constructor(private readonly page: Page) {
    this.canned = new CannedApi(page, 3);
  }

  async start(path: string): Promise<void> {
    await this.canned.start();
    await this.page.route('**/api/v1/**', (route) => this.answer(route));
    await this.page.goto(path);
    await this.page.getByLabel('User').fill('ada');
    await this.page.getByLabel('Password', { exact: true }).fill('right');
    await this.page.getByRole('button', { name: 'Log in' }).click();
  }

  private async answer(route: Route): Promise<void> {
    const request = route.request();
    const path = new URL(request.url()).pathname.slice('/api/v1'.length);
    if (!this.canned.loggedIn || path.startsWith('/auth/')) return route.fallback();
    if (request.method() === 'GET') {
      const found = this.read(path, new URL(request.url()).searchParams);
      return found === undefined ? route.fallback() : route.fulfill({ json: found });
    }
    const body: unknown = request.postData() === null ? undefined : request.postDataJSON();
    this.sent.push({ method: request.method(), path, body });
    return this.act(route, path);
  }

  private act(route: Route, path: string): Promise<void> {
    if (path === '/restores/plan') {
      return route.fulfill({ json: { ...plan, ...planned } });
    }
    if (path === '/restores' && this.approvalNeeded) {
      return route.fulfill({
        status: 409,
        contentType: 'application/problem+json',
        body: JSON.stringify({
          type: '/errors/approval_pending',
          code: 'approval_pending',
          message: 'nothing is done before 1 other consents',
          hint: 'ask others',
          approval: ids.mine,
        }),
      });
    }
    if (path.startsWith('/approvals/')) return route.fulfill({ json: approval(42, {}) });
    if (path.startsWith('/backups/')) return route.fulfill({ status: 202, json: backup(1, {}) });
    return route.fulfill({ status: 202, json: { job: id('job', 21) } });
  }

  private read(path: string, search: URLSearchParams): unknown {
    const [, noun = '', name = '', part = ''] = path.split('/');
    if (noun === 'clusters' && part === 'coverage') return coverage();
    if (noun === 'clusters' && part === 'recoverability') return meaning(search.get('at') ?? '');
    if (noun === 'clusters' && part === 'policy')
      return { fields: [{ field: 'objectives.rto', value: '10s' }] };
    if (noun === 'backups' && part === 'dependents') return dependents(name);
    if (noun === 'jobs' && part === 'logs') return { items: [{ line: 'phase copy' }] };
    const list = lists[noun];
    if (list === undefined) return undefined;
    const all = list() as { id?: string; name?: string; state?: string }[];
    if (name !== '') return all.find((one) => one.id === name);
    const state = search.get('state');
    return {
      items: all.filter((one) => state === null || one.state === state),
      nextCursor: null,
    };
  }
}

const planned = {
  agent: 'db2',
  repository: 'eu',
  planHash: 'ab'.repeat(32),
  predictedDataLossSeconds: 0.8,
  predictedRtoSeconds: 5,
  copies: [{ repository: 'eu', region: 'eu', reason: 'it is the repository of the policy' }],
  copiesTried: [],
  placement: [
    { agent: 'db2', chosen: true, reason: 'most room', region: 'eu' },
    { agent: 'db1', chosen: false, reason: 'it runs the primary', region: 'eu' },
  ],
};

const lists: Record<string, () => unknown[]> = {
  jobs: () => [
    job(11, {
      state: 'running',
      finishedAt: null,
      phase: 'copy',
      progress: { phase: 'copy', bytesDone: 40_000_000, bytesTotal: 100_000_000, rate: 8_000_000 },
      attempts: [
        { attempt: 1, generation: 1, agent: 'db1', leasedAt: ago(290), startedAt: ago(290) },
      ],
      phases: [{ phase: 'copy', at: ago(200), attempt: 1 }],
    }),
    job(12, {
      state: 'queued',
      agent: null,
      startedAt: null,
      finishedAt: null,
      waitingFor: 'another job of service-00000 to end',
    }),
    job(13, {}),
  ],
  restores: () => [
    restore(21, {}),
    restore(22, {
      state: 'awaitingApproval',
      approval: ids.mine,
      job: null,
      begunAt: null,
      finishedAt: null,
      achievedRtoSeconds: null,
      achievedDataLossSeconds: null,
      checks: [],
      result: null,
      history: [
        { state: 'planned', at: ago(100) },
        { state: 'awaitingApproval', at: ago(99) },
      ],
    }),
  ],
  drills: () => [
    drill,
    { ...drill, id: id('drl', 32), finishedAt: ago(90_000), achievedRtoSeconds: 9 },
  ],
  backups: () => [
    backup(2, {
      kind: 'incremental',
      parent: ids.full,
      startedAt: ago(3700),
      finishedAt: ago(3600),
    }),
    backup(1, {}),
  ],
  approvals: () => [
    approval(41, {
      requestedBy: 'user:ada',
      action: 'begin_restore',
      subject: `restores/${ids.waiting}`,
      needed: 1,
    }),
    approval(42, {}),
  ],
  agents: () =>
    ['db1', 'db2'].map((name) => ({
      id: `agt_${name}`,
      name,
      region: 'eu',
      state: 'online',
      instances: [],
      certificateExpiresAt: ago(-1e6),
      enrolledAt: ago(1e6),
    })),
  repositories: () => [{ metadata: { name: 'eu' } }, { metadata: { name: 'us' } }],
  roles: () => [
    { name: 'approver', description: '', builtIn: true, permissions: ['approvals:vote'] },
  ],
  'role-bindings': () => [
    {
      metadata: { name: 'approvers' },
      spec: { role: 'approver', scope: { fleet: 'payments' }, subjects: [{ user: 'bob' }] },
    },
  ],
};

function coverage() {
  return {
    cluster: CLUSTER,
    asOf: ago(0),
    from: null,
    to: ago(0),
    repositories: [
      {
        repository: 'eu',
        role: 'original',
        frontier: ago(1),
        windowStart: ago(7200),
        windowEnd: ago(1),
        stretches: [
          {
            lineage: '1-1',
            timeline: 1,
            from: ago(7200),
            to: ago(1),
            fromLsn: '0/1',
            toLsn: '0/2',
            backup: ids.full,
            stretches: 1,
            missingSeconds: 0,
          },
        ],
        holes: [],
        timelines: [],
      },
    ],
    backups: lists['backups']?.(),
    drills: [],
    violations: [],
    leftOut: { backups: 0, drills: 0, violations: 0 },
  };
}

function meaning(at: string) {
  const proof = { proven: false, because: 'no_drill' };
  if (at.startsWith('2001')) {
    return {
      cluster: CLUSTER,
      at,
      asOf: ago(0),
      possible: false,
      code: 'target_before_first_backup',
      message: 'that lies before the first backup',
      nearestAfter: { time: ago(7200), lsn: '0/1', repository: 'eu' },
      proof,
      repositories: [],
    };
  }
  return {
    cluster: CLUSTER,
    at,
    asOf: ago(0),
    possible: true,
    repository: 'eu',
    backup: ids.incremental,
    backupKind: 'incremental',
    backupFinishedAt: ago(3600),
    recoversTo: ago(1),
    databaseBytes: 415_208_933,
    replayBytes: 16_777_216,
    lossFromNowSeconds: 1,
    lossFromFrontierSeconds: 0,
    predictedSeconds: 5,
    proof,
    repositories: [],
  };
}

function dependents(backupId: string) {
  const held = backupId === ids.incremental;
  return {
    id: backupId,
    cluster: CLUSTER,
    state: 'available',
    asOf: ago(0),
    refused: held
      ? { code: 'backup_held', message: 'it is held', hint: 'end the hold', retryable: false }
      : null,
    dependents: held
      ? []
      : [
          {
            id: ids.incremental,
            kind: 'incremental',
            parent: ids.full,
            finishedAt: ago(3600),
            repositories: ['eu'],
          },
        ],
    lost: [
      { repository: 'eu', timeline: 1, from: ago(7200), to: ago(3600), fromLsn: null, toLsn: null },
    ],
    newestLeft: held ? null : ids.incremental,
  };
}
