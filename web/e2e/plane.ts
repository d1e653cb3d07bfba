/**
 * Canned answers for the pages around policies and for those that run the control plane:
 * enough of each to be seen, and a control plane that refuses an unknown field.
 */
import type { Page, Route } from '@playwright/test';
import type { Schemas } from '../src/api/client';
import { CannedApi } from './api';

const NOW = Date.now();
const ago = (seconds: number) => new Date(NOW - seconds * 1000).toISOString();
const status = (revision: number) => ({ revision, createdAt: ago(9000), updatedAt: ago(600) });

export const CONTRACT = 'At most 30s of commits may be lost, from eu alone.';

export function policyOf(name: string, revision = 9, spec: object = {}) {
  return {
    apiVersion: 'holdfast/v1',
    kind: 'Policy',
    metadata: { name },
    spec: {
      selector: { tier: name },
      repository: 'eu',
      objectives: { rpo: '30s', window: '7d' },
      schedules: [{ name: 'nightly', kind: 'full', cron: '0 2 * * *', blackouts: [] }],
      ...spec,
    },
    status: { ...status(revision), contract: CONTRACT },
  };
}

interface PolicyLike {
  metadata: { name: string };
  spec: { objectives?: Record<string, string>; repository: string };
}

/** As the control plane previews: a contract, what changes, what speaks against it. */
function previewOf(document: PolicyLike): Schemas['PolicyPreview'] {
  const rpo = document.spec.objectives?.['rpo'] ?? '30s';
  const { name } = document.metadata;
  const lint = {
    code: 'rpo_below_flush' as const,
    severity: 'infeasible',
    field: 'spec.objectives.rpo',
    message: `received WAL waits up to 5s, and that is not shorter than the RPO of ${rpo}`,
    hint: 'set wal.flushEvery to 2s or less',
  } as unknown as Schemas['PolicyLint'];
  return {
    results: [{ kind: 'Policy', name, action: rpo === '30s' ? 'unchanged' : 'configured' }],
    policies: [
      {
        policy: name,
        contract: `At most ${rpo} of commits may be lost, from eu alone.`,
        clusters: ['service-00000'],
        lint: rpo === '5s' ? [lint] : [],
      },
    ],
    affected:
      rpo === '30s'
        ? []
        : [
            {
              how: 'changed',
              from: name,
              to: name,
              changes: [{ field: 'objectives.rpo', before: '30s', after: rpo } as never],
              consequences: [],
              clusters: ['service-00000'],
            },
          ],
    expires: { clusters: [], notLookedAt: 0 },
    nextRuns: [1, 2, 3].map((day) => ({
      policy: name,
      cluster: 'service-00000',
      schedule: 'nightly',
      next: {
        run: `r${day}`,
        at: new Date(NOW + day * 86_400_000).toISOString(),
        placement: 'starts',
        notBefore: new Date(NOW + day * 86_400_000).toISOString(),
      },
    })),
  };
}

const alarm = (id: string, over: Partial<Schemas['Alarm']> = {}): Schemas['Alarm'] => ({
  id,
  state: 'open',
  rule: 'wal_trouble',
  title: 'WAL does not arrive',
  subject: 'clusters/service-00000/agents/db1',
  cluster: 'service-00000',
  fleet: 'payments',
  severity: 'critical',
  message: 'WAL of "service-00000" does not arrive',
  advice: 'see `holdfast exposure CLUSTER`',
  cause: 'pg_unreachable',
  count: 3,
  openedAt: ago(600),
  lastSeenAt: ago(10),
  told: { 'on-call': 'ntc_1' },
  ...over,
});

const LISTS: Record<string, unknown[]> = {
  '/policies': [policyOf('gold'), policyOf('silver')],
  '/policies/gold/history': [
    {
      policy: 'gold',
      revision: 9,
      action: 'configured',
      changedBy: 'user:ada',
      changedAt: ago(600),
      contract: CONTRACT,
      changes: [{ field: 'objectives.rpo', before: '1m', after: '30s' }],
    },
    {
      policy: 'gold',
      revision: 4,
      action: 'created',
      changedBy: 'user:ada',
      changedAt: ago(9000),
      contract: CONTRACT,
      changes: [],
    },
  ],
  '/repositories': [
    {
      apiVersion: 'holdfast/v1',
      kind: 'Repository',
      metadata: { name: 'eu' },
      spec: { url: 's3://backups/eu', region: 'eu-west-1' },
      status: { ...status(3), repositoryId: 'rep_1' },
    },
  ],
  '/fleets': [
    {
      apiVersion: 'holdfast/v1',
      kind: 'Fleet',
      metadata: { name: 'payments' },
      spec: {},
      status: status(2),
    },
  ],
  '/alarms': [
    alarm('alm_1'),
    alarm('alm_2', {
      severity: 'warning',
      acknowledgedBy: 'user:ada',
      acknowledgedAt: ago(60),
      note: 'on it',
    }),
  ],
  '/silences': [
    {
      id: 'sil_1',
      rule: 'agent_absent',
      fleet: 'payments',
      cluster: null,
      reason: 'hosts are moved',
      until: new Date(NOW + 9e6).toISOString(),
      createdBy: 'user:ada',
      createdAt: ago(60),
    },
  ],
  '/reports': [
    {
      id: 'rpt_1',
      fleet: 'payments',
      from: '2026-07-01T00:00:00Z',
      to: '2026-10-01T00:00:00Z',
      asKnownAt: ago(90),
      madeAt: ago(80),
      madeBy: 'user:ada',
      bodySha256: 'ab'.repeat(32),
    },
  ],
  '/report-keys': [{ id: 'key1', certificate: 'CERT', caCertificate: 'CA', createdAt: ago(9000) }],
  '/audit': [
    {
      seq: 2,
      at: ago(30),
      principal: 'user:ada',
      action: 'apply_documents',
      target: 'policies/gold',
      outcome: 'accepted',
      requestId: 'req_2',
      remote: '192.0.2.1',
      detail: { change: 'configured', document: policyOf('gold') },
      hash: 'cd'.repeat(32),
    },
    {
      seq: 1,
      at: ago(60),
      principal: 'user:eve',
      action: 'delete_user',
      target: 'users/ada',
      outcome: 'forbidden',
      requestId: 'req_1',
      remote: null,
      detail: null,
      hash: 'ef'.repeat(32),
    },
  ],
  '/users': [{ name: 'ada', createdAt: ago(9000), updatedAt: ago(9000) }],
  '/tokens': [{ id: 'tok_1', name: 'ci', createdAt: ago(9000), expiresAt: null, revokedAt: null }],
  '/roles': [
    { name: 'viewer', description: 'sees', permissions: ['clusters:read'], builtIn: true },
  ],
  '/role-bindings': [
    {
      apiVersion: 'holdfast/v1',
      kind: 'RoleBinding',
      metadata: { name: 'admins' },
      spec: { role: 'viewer', scope: { selector: {} }, subjects: [{ user: 'ada' }] },
      status: status(1),
    },
  ],
  '/notification-channels': [
    {
      apiVersion: 'holdfast/v1',
      kind: 'NotificationChannel',
      metadata: { name: 'on-call' },
      spec: { type: 'webhook', url: 'https://hooks.example.com/x', secret: 'signing' },
      status: status(5),
    },
  ],
  '/notification-channels/on-call/deliveries': [
    {
      notice: 'ntc_1',
      thread: 'ntc_1',
      kind: 'opened',
      rule: 'wal_trouble',
      fleet: 'payments',
      alarms: [],
      remaining: 1,
      state: 'pending',
      attempts: 2,
      lastError: 'refused',
      createdAt: ago(60),
      nextAttemptAt: new Date(NOW + 9e4).toISOString(),
      doneAt: null,
    },
  ],
  '/secrets': [{ name: 'signing', createdAt: ago(9000), updatedAt: ago(9000) }],
  '/nodes': ['leader', 'follower', 'follower'].map((role, index) => ({
    id: index + 1,
    name: `cp${index + 1}`,
    state: 'member',
    role,
    voter: true,
    reachable: true,
    behind: 0,
    addresses: {
      rest: `cp${index + 1}:8080`,
      grpc: `cp${index + 1}:8443`,
      raft: `cp${index + 1}:8444`,
    },
    release: '0.1.0',
    joinedAt: ago(9000),
  })),
  '/state-snapshots': [
    {
      id: 'snp_1',
      repository: 'eu',
      state: 'available',
      requestedAt: ago(300),
      takenAt: ago(300),
      index: 120,
      storedBytes: 37_997,
      node: 'cp1',
      error: null,
    },
  ],
};

const agent = {
  id: 'agt_1',
  name: 'db1',
  region: 'eu-west-1',
  state: 'online',
  lastSeenAt: ago(2),
  version: '0.1.0',
  certificateExpiresAt: new Date(NOW + 5 * 86_400_000).toISOString(),
  enrolledAt: ago(90_000),
  instances: [
    {
      cluster: 'service-00000',
      observedAt: ago(5),
      reachable: {
        serverVersion: 170_004,
        systemIdentifier: '1',
        role: 'primary',
        timeline: 1,
        dataDirectory: '/data',
        databaseBytes: 1e9,
        checksums: true,
        archiver: { mode: 'off' },
        slots: [{ name: 'holdfast_x', active: true, walStatus: 'reserved', retainedBytes: 0 }],
        disk: { totalBytes: 1e11, freeBytes: 4e10 },
      },
    },
    {
      cluster: 'service-00001',
      observedAt: ago(5),
      unreachable: {
        code: 'pg_unreachable',
        message: 'cannot reach PostgreSQL',
        hint: 'check that the server runs',
      },
    },
  ],
};

const ONE: Record<string, unknown> = {
  '/policies/gold': policyOf('gold'),
  '/policies/gold/history/9': {
    policy: 'gold',
    revision: 9,
    action: 'configured',
    changedAt: ago(600),
    changes: [],
    document: policyOf('gold'),
  },
  '/policies/gold/history/4': {
    policy: 'gold',
    revision: 4,
    action: 'created',
    changedAt: ago(9000),
    changes: [],
    document: policyOf('gold', 4, { objectives: { rpo: '1m' } }),
  },
  '/repositories/eu': LISTS['/repositories']?.[0],
  '/repositories/eu/findings': {
    repository: 'eu',
    requestedAt: null,
    scannedAt: ago(600),
    backups: 12,
    adopted: 1,
    error: null,
    items: [
      {
        kind: 'missing',
        subject: 'bkp_1',
        cluster: 'service-00000',
        detail: 'the catalog has it, the repository has not',
        firstSeen: ago(600),
        lastSeen: ago(600),
      },
    ],
    nextCursor: null,
  },
  '/agents/db1': agent,
  '/alarms/alm_1': alarm('alm_1'),
  '/nodes/cp3/removal': {
    votersNow: [1, 2, 3],
    votersAfter: [1, 2],
    needed: 2,
    reachable: [1, 2],
    keepsQuorum: true,
  },
  '/nodes/cp2/removal': {
    votersNow: [1, 2, 3],
    votersAfter: [1, 3],
    needed: 2,
    reachable: [1],
    keepsQuorum: false,
  },
  '/state-snapshots/settings': {
    repository: 'eu',
    every: '15m',
    keep: 96,
    lastTakenAt: ago(300),
    ageSeconds: 300,
    late: false,
    error: null,
  },
};
LISTS['/agents'] = [agent];

export class Plane extends CannedApi {
  /** What was sent to change something, in order. */
  readonly acts: {
    method: string;
    path: string;
    headers: Record<string, string>;
    body: unknown;
  }[] = [];
  /** Answers PUT of a policy, where a test wants another than success. */
  refusal: { status: number; code: string; approval?: string } | undefined;
  /** Whether the agent db2 has enrolled. */
  enrolled = false;
  /** The revision at which the policy is. */
  revision = 9;

  constructor(private readonly at: Page) {
    super(at, 3);
    this.loggedIn = true;
  }

  override async start(): Promise<void> {
    await super.start();
    await this.at.route('**/api/v1/**', (route) => this.plane(route));
  }

  private async plane(route: Route): Promise<void> {
    const request = route.request();
    const url = new URL(request.url());
    const path = url.pathname.slice('/api/v1'.length);
    if (request.method() !== 'GET') return this.act(route, path);
    const items = LISTS[path];
    if (items !== undefined) {
      const shown = url.searchParams.get('state') === 'closed' ? [] : items;
      return route.fulfill({ json: { items: shown, nextCursor: null } });
    }
    if (path === '/policies/gold') {
      const rpo = this.revision === 9 ? '30s' : '45s';
      return route.fulfill({
        json: policyOf('gold', this.revision, { objectives: { rpo, window: '7d' } }),
      });
    }
    if (path === '/agents/db2') {
      return route.fulfill(
        this.enrolled
          ? { json: { ...agent, id: 'agt_2', name: 'db2' } }
          : refused(404, 'not_found', 'there is no agent "db2"'),
      );
    }
    const one = ONE[path];
    if (one !== undefined) return route.fulfill({ json: one });
    return route.fallback();
  }

  private async act(route: Route, path: string): Promise<void> {
    const request = route.request();
    if (path.startsWith('/auth/')) return route.fallback();
    const raw = request.postData();
    const body: unknown = raw === null || raw === '' ? undefined : JSON.parse(raw);
    if (path === '/policy-previews') {
      const [document] = (body as { documents: PolicyLike[] }).documents;
      if (document?.spec.repository === 'nowhere') {
        return route.fulfill(
          refused(422, 'dangling_reference', 'there is no repository "nowhere"', 'spec.repository'),
        );
      }
      return route.fulfill({ json: document === undefined ? {} : previewOf(document) });
    }
    this.acts.push({ method: request.method(), path, headers: request.headers(), body });
    if (this.refusal !== undefined && path.startsWith('/policies/')) {
      const { status: code, code: name, approval } = this.refusal;
      return route.fulfill(refused(code, name, 'it is refused', undefined, approval));
    }
    if (path === '/reports/compliance') {
      return route.fulfill({
        status: 200,
        contentType: 'application/pdf',
        headers: {
          'holdfast-report': 'rpt_2',
          'holdfast-as-known-at': ago(1),
          'holdfast-body-sha256': 'ab'.repeat(32),
        },
        body: '%PDF-1.7',
      });
    }
    return route.fulfill({ json: ANSWERS[path] ?? {} });
  }
}

const ANSWERS: Record<string, unknown> = {
  '/policies/gold': policyOf('gold', 10),
  '/agents/tokens': {
    token: 'hfj1.jtk_1.secret.cafe01',
    expiresAt: new Date(NOW + 36e5).toISOString(),
  },
  '/repositories/eu/key/export': { repository: 'eu', key: '0123'.repeat(16) },
  '/notification-channels/on-call/test': {
    channel: 'on-call',
    delivered: false,
    said: 'connection refused',
    seconds: 0.2,
  },
  '/tokens': { id: 'tok_2', name: 'deploy', token: 'hft1.tok_2.text', expiresAt: null },
  '/scans': { repositories: ['eu'] },
};

function refused(status: number, code: string, message: string, field?: string, approval?: string) {
  return {
    status,
    contentType: 'application/problem+json',
    body: JSON.stringify({
      type: `/errors/${code}`,
      title: code,
      status,
      detail: message,
      code,
      message,
      hint: 'correct the field it names',
      requestId: 'req_0123456789abcdef',
      ...(field !== undefined && { field }),
      ...(approval !== undefined && { approval }),
    }),
  };
}
