/** A fleet with trouble in it, over a month: on top of the canned answers of `api.ts`. */
import type { Page, Route } from '@playwright/test';
import type { Schemas } from '../src/api/client';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const iso = (at: number) => new Date(at).toISOString();
const nameOf = (index: number) => `service-${String(index).padStart(5, '0')}`;
const FLEETS = ['payments', 'shop', 'default'];
const VERDICTS: Schemas['Compliance'][] = [
  'COMPLIANT',
  'COMPLIANT',
  'VIOLATED',
  'COMPLIANT',
  'AT_RISK',
  'UNKNOWN',
  'UNPROTECTED',
  'EXEMPT',
];

export class CannedWorld {
  readonly now = Date.now();
  /** Bodies that were sent, by path. */
  readonly sent: { method: string; path: string; body: unknown }[] = [];
  constructor(private readonly clusters = 24) {}

  async start(page: Page): Promise<void> {
    await page.route('**/api/v1/**', (route) => this.answer(route));
  }

  private answer(route: Route): Promise<void> {
    const request = route.request();
    const url = new URL(request.url());
    const path = url.pathname.slice('/api/v1'.length);
    if (request.method() !== 'GET') {
      const answer = this.act(path);
      if (answer === undefined) return route.fallback();
      this.sent.push({ method: request.method(), path, body: request.postDataJSON() });
      return route.fulfill(answer);
    }
    const found = this.read(path, url.searchParams);
    return found === undefined ? route.fallback() : route.fulfill({ json: found });
  }

  private act(path: string): Parameters<Route['fulfill']>[0] {
    if (path === '/policy-previews') return { json: this.preview() };
    if (path === '/apply') return { json: { results: [] } };
    if (path.startsWith('/unprotected/')) return { status: 204 };
    if (path.endsWith('/exemptions')) return { status: 403, json: APPROVAL };
    if (path.endsWith('/backups')) return { status: 202, json: { job: 'job_1' } };
    return undefined;
  }

  private preview(): Schemas['PolicyPreview'] {
    return {
      affected: [
        {
          how: 'moved',
          from: 'silver',
          to: 'gold',
          clusters: [nameOf(1), nameOf(3)],
          changes: [{ field: 'objectives.rpo', before: '15m', after: '30s' }],
          consequences: [{ code: 'wal_begins', text: 'its WAL is streamed from now on' }],
        },
      ],
      expires: { clusters: [], notLookedAt: 0 },
      nextRuns: [],
      policies: [],
      results: [],
    };
  }

  private read(path: string, search: URLSearchParams): unknown {
    const all = <T>(items: T[]) => ({ items, nextCursor: null });
    const history = /^\/clusters\/([^/]+)\/compliance$/.exec(path);
    if (history !== null) return this.history(Number((history[1] ?? '').slice(-5)));
    switch (path) {
      case '/status':
        return this.status();
      case '/compliance':
        return all(this.indices().map((index) => this.period(index)));
      case '/violations':
        return all(
          this.indices()
            .flatMap((index) => this.violations(index))
            .filter(({ open }) => search.get('open') !== 'true' || open),
        );
      case '/exemptions':
        return all([this.exemption()]);
      case '/unprotected':
        return all(this.unprotected());
      case '/alarms':
        return all(this.alarms());
      case '/jobs':
        return all(search.get('state') === 'running' ? this.jobs() : []);
      case '/nodes':
        return all(this.nodes());
      case '/fleets':
        return all(FLEETS.slice(0, 2).map((name) => this.fleet(name)));
      default:
        return undefined;
    }
  }

  private indices(): number[] {
    return Array.from({ length: this.clusters }, (_, index) => index);
  }

  private violations(index: number): Schemas['Violation'][] {
    const open = VERDICTS[index % 8] === 'VIOLATED';
    const begun = open
      ? [this.now - 2.5 * HOUR]
      : index % 3 === 1
        ? [this.now - 9 * DAY - index * HOUR, this.now - 4 * DAY]
        : [];
    return begun.map((startedAt, each) => {
      const seconds = open ? 9000 : 1800 * (1 + ((index + each) % 7));
      return {
        cause: index % 2 === 0 ? 'agent_offline' : 'wal_behind',
        cluster: nameOf(index),
        fleet: FLEETS[index % 3] ?? 'default',
        startedAt: iso(startedAt),
        endedAt: open ? null : iso(startedAt + seconds * 1000),
        exemptSeconds: 0,
        highest: { seconds: seconds + 30, unbounded: false },
        open,
        rpoScope: 'any',
        rpoSeconds: 30,
        seconds,
      };
    });
  }

  private history(index: number) {
    const from = iso(this.now - 30 * DAY);
    const status = VERDICTS[index % 8] ?? 'COMPLIANT';
    const turned = iso(this.now - (status === 'UNKNOWN' ? 2 : 6) * DAY);
    const end = iso(this.now);
    return {
      ...this.period(index),
      phases: [
        { from, to: turned, status: 'COMPLIANT' },
        { from: turned, to: end, status },
      ],
      violations: this.violations(index),
    };
  }

  private period(index: number): Schemas['List_Compliance']['items'][number] {
    const violations = this.violations(index);
    const violated = violations.reduce((sum, { seconds }) => sum + seconds, 0);
    const eligible = (30 * DAY) / 1000;
    const height = { seconds: 12, unbounded: false };
    return {
      asKnownAt: iso(this.now),
      cluster: nameOf(index),
      fleet: FLEETS[index % 3] ?? 'default',
      from: iso(this.now - 30 * DAY),
      to: iso(this.now),
      compliance: 1 - violated / eligible,
      complianceExcused: 1 - violated / eligible,
      controls: [],
      copies: [],
      eligibleSeconds: eligible,
      exemptSeconds: 0,
      highest: height,
      openViolations: violations.filter(({ open }) => open).length,
      p50: height,
      p95: height,
      p99: height,
      rpoScope: 'any',
      rpoSeconds: 30,
      states: {},
      status: VERDICTS[index % 8] ?? 'COMPLIANT',
      violatedExemptSeconds: 0,
      violatedSeconds: violated,
      violationCount: violations.length,
    };
  }

  private exemption(): Schemas['Exemption'] {
    return {
      id: 'exm_1',
      cluster: nameOf(7),
      reason: 'it moves to another host',
      requestedBy: 'user:ada',
      approvedBy: ['user:bob'],
      grantedAt: iso(this.now - DAY),
      until: iso(this.now + 2 * DAY),
      inForce: true,
    };
  }

  private unprotected(): Schemas['List_Unprotected']['items'] {
    return [
      {
        agent: 'db-17',
        reason: 'not_declared',
        firstSeenAt: iso(this.now - 3 * HOUR),
        instance: {
          dataDirectory: '/var/lib/postgresql/17/main',
          running: true,
          port: 5433,
          version: '17',
        },
        document: {
          apiVersion: 'holdfast/v1',
          kind: 'Cluster',
          metadata: { name: 'db-17-5433' },
          spec: { instances: [{ agent: 'db-17', connection: 'port=5433' }] },
        } as never,
      },
      { agent: 'db-6', reason: 'no_policy', cluster: nameOf(6), fleet: 'payments' },
    ];
  }

  private alarms(): Schemas['List_Alarm']['items'] {
    const one = (id: string, severity: Schemas['Severity'], title: string, message: string) => ({
      id,
      severity,
      title,
      message,
      advice: '',
      count: 1,
      openedAt: iso(this.now - 2 * HOUR),
      lastSeenAt: iso(this.now),
      rule: 'agent_absent' as const,
      state: 'open',
      subject: nameOf(2),
      told: {},
    });
    return [
      one('alm_1', 'warning', 'A copy is late', 'us-copy is 22 m behind, 15 m are promised'),
      one('alm_2', 'critical', 'An agent is absent', 'nothing was heard of db-2 for 2 h'),
    ];
  }

  private jobs(): Schemas['List_Job']['items'] {
    return [
      {
        id: 'job_1',
        kind: 'backup',
        state: 'running',
        cluster: nameOf(4),
        repository: 'eu-main',
        cancelRequested: false,
        createdAt: iso(this.now - 600_000),
        startedAt: iso(this.now - 540_000),
        phase: 'copy',
        progress: { phase: 'copy', bytesDone: 41e9, bytesTotal: 96e9, rate: 210e6 },
      },
    ];
  }

  private nodes(): Schemas['List_Node']['items'] {
    return [1, 2, 3].map((id) => ({
      id,
      name: `node-${id}`,
      role: id === 1 ? 'leader' : 'follower',
      state: 'voter',
      voter: true,
      reachable: id !== 3,
      behind: id === 2 ? 4 : 0,
      joinedAt: iso(this.now - 40 * DAY),
    }));
  }

  private fleet(name: string) {
    const at = iso(this.now - 60 * DAY);
    return {
      apiVersion: 'holdfast/v1',
      kind: 'Fleet',
      metadata: { name, labels: { team: name } },
      spec: { description: `Everything of ${name}` },
      status: { revision: 3, createdAt: at, updatedAt: at },
    };
  }

  private status(): Schemas['Status'] {
    const exposure: Record<string, number> = {};
    for (const index of this.indices()) {
      const verdict = VERDICTS[index % 8] ?? 'COMPLIANT';
      exposure[verdict] = (exposure[verdict] ?? 0) + 1;
    }
    return {
      version: '0.1.0',
      node: { id: 1, name: 'node-1', state: 'leader', term: 3, leader: 1 },
      featureLevel: { current: 26, newest: 26 },
      unprotected: { instances: 1, clusters: 1 },
      counts: {
        clusters: this.clusters,
        agents: { online: 23, offline: 1 },
        jobs: { running: 1, queued: 2 },
        backups: { available: 412 },
        alarms: { critical: 1, warning: 1 },
      },
      exposure,
      stateSafety: {
        every: '1h',
        keep: 24,
        late: false,
        repository: 'eu-main',
        lastTakenAt: iso(this.now - 600_000),
        ageSeconds: 600,
      },
    };
  }
}

const APPROVAL = {
  type: '/errors/approval_required',
  title: 'approval_required',
  status: 403,
  detail: 'another person has to consent',
  code: 'approval_required',
  message: 'another person has to consent',
  hint: 'ask one',
  approval: 'apr_1',
  requestId: 'req_1',
};
