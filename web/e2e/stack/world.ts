/** Worlds that tests begin in. */
import type { Postgres } from './postgres';
import { Stack } from './stack';
import { until } from './process';

export interface World {
  stack: Stack;
}

export interface ProtectedWorld extends World {
  postgres: Postgres;
}

/** A control plane in which nothing is declared, an agent not yet enrolled beside it. */
export async function emptyWorld(): Promise<ProtectedWorld> {
  const stack = await Stack.found();
  try {
    return { stack, postgres: await stack.postgres('shop') };
  } catch (error) {
    await stack.end();
    throw error;
  }
}

/** What protects `shop`: repository, cluster and policy. */
export function documents(stack: Stack, postgres: Postgres): string {
  return `apiVersion: holdfast/v1
kind: Repository
metadata: {name: vault}
spec: {url: "${stack.repository()}"}
---
apiVersion: holdfast/v1
kind: Repository
metadata: {name: second}
spec: {url: "${stack.repository('second')}"}
---
apiVersion: holdfast/v1
kind: Cluster
metadata: {name: shop, labels: {tier: gold}}
spec:
  instances:
    - {agent: db-1, connection: "${postgres.connection()}"}
---
apiVersion: holdfast/v1
kind: Cluster
metadata: {name: idle, labels: {tier: gold}}
spec:
  instances:
    - {agent: db-2, connection: host=/nonexistent user=holdfast}
---
apiVersion: holdfast/v1
kind: Policy
metadata: {name: gold}
spec:
  selector: {tier: gold}
  objectives: {rpo: 1m}
  repository: vault
  wal: {mode: streaming, flushEvery: 1s}
  retention: {keep: {last: 3}}
  approvals: {delete: 1}
  drills:
    - cron: "0 6 * * 1"
      agent: db-1
      checks:
        - {sql: select count(*) from orders, expect: "> 0"}
`;
}

/**
 * A cluster that is protected, with two backups; people beside `admin`, of whom VIEWER may
 * only look; a second repository; a cluster `idle`, whose agent `db-2` is away.
 */
export async function protectedWorld(): Promise<ProtectedWorld> {
  const world = await emptyWorld();
  const { stack, postgres } = world;
  try {
    await postgres.sql(ORDERS);
    await stack.agent('db-1');
    const away = await stack.agent('db-2');
    await stack.cli.apply(documents(stack, postgres));
    await away.stop();
    for (const user of [...PEOPLE, VIEWER]) {
      await stack.cli.do(['user', 'create', user, '--password-stdin'], PASSWORD);
    }
    await stack.cli.apply(bindings());
    await frontier(stack, 'shop');
    for (const _ of ['the first', 'one that may go']) {
      await stack.cli.do(['backup', 'run', 'shop', '--wait']);
    }
    return world;
  } catch (error) {
    await stack.end();
    throw error;
  }
}

/** The same after a while: a drill, a restore, a request that waits, a report. */
export async function livedInWorld(): Promise<ProtectedWorld> {
  const world = await protectedWorld();
  const { stack } = world;
  try {
    await stack.cli.do(['drill', 'run', 'shop', '--agent', 'db-1', '--wait']);
    const dir = `${stack.scratch.serverFolder('servers')}/restored`;
    const where = ['--agent', 'db-1', '--dir', dir];
    await stack.cli.do(['restore', 'run', 'shop', '--at', 'latest', ...where, '--wait']);
    await askToDelete(stack);
    return world;
  } catch (error) {
    await stack.end();
    throw error;
  }
}

/** Asks for the deletion of the older backup, which another person has to consent to. */
export async function askToDelete(stack: Stack): Promise<void> {
  const { items } = await stack.cli.json<{ items: { id: string }[] }>('backup', 'list', 'shop');
  const oldest = items.at(-1)?.id ?? '';
  const ran = await stack.cli.run('--because', 'the customer has left', 'backup', 'delete', oldest);
  if (ran.code !== 4) throw new Error(`a deletion was not held: ${ran.stdout}${ran.stderr}`);
}

export const PEOPLE = ['ada', 'grace'] as const;
export const VIEWER = 'vera';
export const PASSWORD = 'correct horse battery staple';

export const ORDERS = `
  CREATE TABLE orders (id serial PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), what text);
  INSERT INTO orders (what) SELECT 'order ' || n FROM generate_series(1, 1000) n;`;

function bindings(): string {
  const subjects = PEOPLE.map((user) => `{user: ${user}}`).join(', ');
  return `apiVersion: holdfast/v1
kind: RoleBinding
metadata: {name: second-people}
spec:
  role: administrator
  subjects: [${subjects}]
  scope: {selector: {}}
---
apiVersion: holdfast/v1
kind: RoleBinding
metadata: {name: onlookers}
spec:
  role: viewer
  subjects: [{user: ${VIEWER}}]
  scope: {selector: {}}
`;
}

/** The time up to which every commit of a cluster is in its repository. */
export async function frontier(stack: Stack, cluster: string, after = 0): Promise<Date> {
  return until(`WAL of ${cluster} in the repository`, async () => {
    const { items } = await stack.cli.json<{ items: Exposure[] }>('exposure', cluster);
    const proved = items[0]?.repositories[0]?.frontier;
    if (typeof proved !== 'string') return undefined;
    const time = new Date(proved);
    return time.getTime() > after ? time : undefined;
  });
}

interface Exposure {
  repositories: { frontier?: string | null }[];
}
