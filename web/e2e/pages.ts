/**
 * Every page there is, for what looks at all of them: pictures and axe. Details are of
 * what the control plane has: the first of each list.
 */
import type { APIRequestContext } from '@playwright/test';

export interface Shown {
  name: string;
  path: string;
}

const LISTS: readonly Shown[] = [
  { name: 'overview', path: '/' },
  { name: 'compliance', path: '/compliance' },
  { name: 'unprotected', path: '/unprotected' },
  { name: 'clusters', path: '/clusters' },
  { name: 'fleets', path: '/fleets' },
  { name: 'policies', path: '/policies' },
  { name: 'policy-new', path: '/new/policy' },
  { name: 'jobs', path: '/jobs' },
  { name: 'catalog', path: '/catalog' },
  { name: 'restores', path: '/restores' },
  { name: 'restore-new', path: '/restores/new' },
  { name: 'restore-dump', path: '/restores/dump' },
  { name: 'drills', path: '/drills' },
  { name: 'drills-proof', path: '/drills?view=proof' },
  { name: 'drill-plan-new', path: '/new/drill-plan' },
  { name: 'reports', path: '/reports' },
  { name: 'alarms', path: '/alarms' },
  { name: 'repositories', path: '/repositories' },
  { name: 'agents', path: '/agents' },
  { name: 'approvals', path: '/approvals' },
  { name: 'audit', path: '/audit' },
  { name: 'silences', path: '/alarms?tab=silences' },
  { name: 'administration', path: '/administration' },
  { name: 'administration-tokens', path: '/administration?tab=tokens' },
  { name: 'administration-access', path: '/administration?tab=access' },
  { name: 'administration-channels', path: '/administration?tab=channels' },
  { name: 'administration-nodes', path: '/administration?tab=nodes' },
  { name: 'administration-snapshots', path: '/administration?tab=snapshots' },
];

interface Item {
  id?: string;
  name?: string;
  metadata?: { name?: string };
}

/** Pages of one thing each, by the list in the API that has it. */
const DETAILS: readonly { name: string; list: string; path: (id: string) => string }[] = [
  { name: 'cluster', list: 'clusters', path: (id) => `/clusters/${id}` },
  { name: 'cluster-servers', list: 'clusters', path: (id) => `/clusters/${id}?tab=servers` },
  { name: 'cluster-policy', list: 'clusters', path: (id) => `/clusters/${id}?tab=policy` },
  { name: 'fleet', list: 'fleets', path: (id) => `/fleets/${id}` },
  { name: 'policy', list: 'policies', path: (id) => `/policies/${id}` },
  { name: 'policy-versions', list: 'policies', path: (id) => `/policies/${id}?tab=versions` },
  { name: 'policy-yaml', list: 'policies', path: (id) => `/policies/${id}/edit?view=yaml` },
  { name: 'policy-edit', list: 'policies', path: (id) => `/policies/${id}/edit` },
  { name: 'job', list: 'jobs', path: (id) => `/jobs/${id}` },
  { name: 'backup', list: 'backups', path: (id) => `/catalog/${id}` },
  { name: 'restore', list: 'restores', path: (id) => `/restores/${id}` },
  { name: 'drill', list: 'drills', path: (id) => `/drills/${id}` },
  { name: 'approval', list: 'approvals', path: (id) => `/approvals/${id}` },
  { name: 'repository', list: 'repositories', path: (id) => `/repositories/${id}` },
  { name: 'agent', list: 'agents', path: (id) => `/agents/${id}` },
];

/** All of them, with what is there. `request` has a login's cookies. */
export async function everyPage(
  request: APIRequestContext,
  first: Partial<Record<string, string>> = {},
): Promise<Shown[]> {
  const found: Shown[] = [...LISTS];
  for (const { name, list, path } of DETAILS) {
    const chosen = first[name] ?? (await firstOf(request, list));
    if (chosen !== undefined) found.push({ name, path: path(chosen) });
  }
  return found;
}

async function firstOf(request: APIRequestContext, list: string): Promise<string | undefined> {
  const answer = await request.get(`/api/v1/${list}?limit=1`);
  if (!answer.ok()) throw new Error(`GET ${list}: ${answer.status()}`);
  const { items } = (await answer.json()) as { items: Item[] };
  return items[0]?.metadata?.name ?? items[0]?.name ?? items[0]?.id;
}
