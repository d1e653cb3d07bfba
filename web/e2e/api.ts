/** A small control plane of canned answers, for what has no need of a real one. */
import type { Page, Route } from '@playwright/test';
import type { Schemas } from '../src/api/client';

const problem = (status: number, code: string, message: string, hint: string) => ({
  status,
  contentType: 'application/problem+json',
  body: JSON.stringify({
    type: `/errors/${code}`,
    title: code,
    status,
    detail: message,
    code,
    message,
    hint,
    requestId: 'req_0123456789abcdef',
  } satisfies Schemas['Problem']),
});

export class CannedApi {
  loggedIn = false;
  /** When set, reads answer 503. */
  noLeader = false;
  /** When set, reads answer 500. */
  broken = false;
  /** Reads wait for it. */
  slow: Promise<void> | undefined;
  constructor(
    private readonly page: Page,
    private readonly clusters = 3,
  ) {}

  async start(): Promise<void> {
    await this.page.route('**/api/v1/**', (route) => this.answer(route));
  }

  private async answer(route: Route): Promise<void> {
    const url = new URL(route.request().url());
    const path = url.pathname.slice('/api/v1'.length);
    if (path.startsWith('/auth/')) return this.auth(route, path);
    if (!this.loggedIn) {
      return route.fulfill(problem(401, 'unauthenticated', 'nobody is asking', 'log in'));
    }
    await this.slow;
    if (this.broken) {
      return route.fulfill(problem(500, 'internal', 'something broke', 'see the log of the node'));
    }
    if (this.noLeader) {
      return route.fulfill(problem(503, 'no_leader', 'no node leads', 'wait a moment'));
    }
    if (path === '/events') {
      // A stream that stays open cannot be canned: it stays without an answer.
      return;
    }
    const cluster = /^\/clusters\/([^/]+)(\/coverage|\/recoverability)?$/.exec(path);
    if (cluster !== null) {
      // What can be restored is canned where it is tested.
      if (cluster[2] !== undefined) {
        return route.fulfill(problem(404, 'not_found', 'no such thing', 'ask for another'));
      }
      return route.fulfill({ json: clusterOf(Number((cluster[1] ?? '').slice(-5))) });
    }
    if (path.endsWith('/policy')) {
      const json = { cluster: path.split('/')[2], fields: [], lint: [], passedOver: [] };
      return route.fulfill({ json });
    }
    return route.fulfill({ json: this.read(path, url.searchParams) });
  }

  private auth(route: Route, path: string): Promise<void> {
    const method = route.request().method();
    const asksIn = method === 'POST' && path === '/auth/session';
    const body = route.request().postDataJSON() as { password?: string } | null;
    if (asksIn && body?.password !== 'right') {
      const hint = 'check the name and the password';
      return route.fulfill(problem(401, 'login_failed', 'the login is refused', hint));
    }
    if (path === '/auth/session/renew') {
      return route.fulfill(problem(401, 'unauthenticated', 'the login has ended', 'log in'));
    }
    this.loggedIn = asksIn;
    const expiresAt = new Date(Date.now() + 900_000).toISOString();
    const said = this.loggedIn ? { user: 'ada', expiresAt } : { loggedOut: true };
    return route.fulfill({ json: said });
  }

  private read(path: string, search: URLSearchParams): unknown {
    const from = Number(search.get('cursor') ?? 0);
    const to = Math.min(this.clusters, from + Number(search.get('limit') ?? 100));
    const page = <T>(each: (index: number) => T) => ({
      items: Array.from({ length: to - from }, (_, index) => each(from + index)),
      nextCursor: to < this.clusters ? String(to) : null,
    });
    switch (path) {
      case '/access/me':
        return { principal: 'user:ada', user: 'ada', unlimited: true, roles: [] };
      case '/status':
        return statusOf(this.clusters);
      case '/clusters':
        return page(clusterOf);
      case '/exposure':
        return page(exposureOf);
      default:
        return { items: [], nextCursor: null };
    }
  }
}

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

function clusterOf(index: number): Schemas['List_Resource']['items'][number] {
  return {
    apiVersion: 'holdfast/v1',
    kind: 'Cluster',
    metadata: {
      name: nameOf(index),
      fleet: FLEETS[index % 3] ?? 'default',
      labels: { tier: index % 2 === 0 ? 'gold' : 'silver', team: `team-${index % 7}` },
    },
    spec: {},
    status: {
      retired: false,
      instances: [],
      policy: index % 2 === 0 ? 'gold' : 'silver',
      revision: index + 1,
      createdAt: '2026-01-01T00:00:00Z',
      updatedAt: '2026-01-01T00:00:00Z',
    },
  };
}

function exposureOf(index: number): Schemas['List_Exposure']['items'][number] {
  const status = VERDICTS[index % VERDICTS.length] ?? 'COMPLIANT';
  return {
    cluster: nameOf(index),
    fleet: FLEETS[index % 3] ?? 'default',
    rpoScope: 'any',
    rpoSeconds: 30,
    exposureSeconds:
      status === 'UNPROTECTED' ? null : (index * 7) % (status === 'VIOLATED' ? 9000 : 30),
    windowStart: status === 'UNPROTECTED' ? null : '2026-01-27T02:00:00Z',
    windowEnd: status === 'UNPROTECTED' ? null : new Date().toISOString(),
    repositories: [],
    status,
  };
}

function statusOf(clusters: number): Schemas['Status'] {
  return {
    version: '0.1.0',
    node: { id: 1, name: 'node-1', state: 'leader', term: 3, leader: 1 },
    featureLevel: { current: 26, newest: 26 },
    unprotected: { instances: 0, clusters: 0 },
    counts: {
      clusters,
      agents: { online: 2 },
      jobs: { running: 1 },
      backups: { available: 12 },
      alarms: { critical: 2, warning: 1 },
    },
    exposure: { COMPLIANT: clusters },
  };
}
