/**
 * A control plane with some life in it, to be looked at: what `xtask demo` leaves running
 * (a database with backups, WAL, a drill, a restore, a report), and what days bring
 * besides: several fleets, a cluster whose agent is gone, a server that nobody protects, a
 * request that waits for others.
 */
import { createServer } from 'node:net';
import { join } from 'node:path';
import { readFileSync } from 'node:fs';
import { Agent } from './agent';
import { Cli } from './cli';
import { Postgres } from './postgres';
import { program } from './programs';
import { must, until } from './process';
import { Scratch } from './scratch';

export interface Demo {
  url: string;
  password: string;
  end: () => Promise<void>;
}

export async function demo(): Promise<Demo> {
  const scratch = new Scratch();
  const servers: Postgres[] = [];
  const agents: Agent[] = [];
  const end = async () => {
    await Promise.all(agents.map((it) => it.stop()));
    await must(program('xtask'), ['demo-stop'], { cwd: scratch.path });
    await Promise.all(servers.map((it) => it.stop()));
    await scratch.remove();
  };
  try {
    const base = await freeBlock();
    console.error('the demo is played, which takes about a minute…');
    const played = await must(program('xtask'), ['demo', '--port-base', String(base)], {
      cwd: scratch.path,
    });
    const password = /login\s+admin, password (\S+)/.exec(played)?.[1];
    if (password === undefined) throw new Error(`the demo tells no password: ${played}`);
    const url = `http://127.0.0.1:${base}`;
    const cli = new Cli(url, scratch.file('cli.toml'));
    await cli.login('admin', password);
    for (const name of ['ledger', 'orders', 'search', 'forgotten']) {
      servers.push(await Postgres.start(scratch, name));
    }
    const grpc = (): string => {
      const file = join(scratch.path, '.demo/control-plane/listen.json');
      return (JSON.parse(readFileSync(file, 'utf8')) as { grpc: string }).grpc;
    };
    for (const name of ['pay-1', 'shop-1', 'shop-2']) {
      agents.push(await Agent.enrol({ grpc: grpc() }, cli, scratch, name));
    }
    await liveOn(cli, scratch, servers, agents);
    return { url, password, end };
  } catch (error) {
    await end();
    throw error;
  }
}

async function liveOn(
  cli: Cli,
  scratch: Scratch,
  [ledger, orders, search]: Postgres[],
  [pay]: Agent[],
): Promise<void> {
  if (!ledger || !orders || !search || !pay) throw new Error('servers are missing');
  await cli.apply(fleets(scratch, { ledger, orders, search }));
  for (const name of ['ada', 'grace']) {
    await cli.do(['user', 'create', name, '--password-stdin'], 'correct horse battery staple');
  }
  await until('WAL of all', async () => {
    const { items } = await cli.json<{ items: Exposure[] }>('exposure');
    const proved = items.filter((it) => typeof it.repositories[0]?.frontier === 'string');
    return proved.length >= 4 ? true : undefined;
  });
  for (const cluster of ['ledger', 'orders', 'orders', 'search']) {
    await cli.do(['backup', 'run', cluster, '--wait']);
  }
  await cli.do(['drill', 'run', 'orders', '--agent', 'shop-1', '--wait']);
  const { items } = await cli.json<{ items: { id: string }[] }>('backup', 'list', 'orders');
  const kept = await cli.run(
    'backup',
    'hold',
    items[0]?.id ?? '',
    '--reason',
    'an audit looks at it',
  );
  if (kept.code !== 0) console.error(`no hold: ${kept.stderr}`);
  const why = ['--because', 'the customer has left'];
  const held = await cli.run(...why, 'backup', 'delete', items.at(-1)?.id ?? '');
  if (held.code !== 4) throw new Error(`a deletion was not held: ${held.stdout}${held.stderr}`);
  // A bad day: its agent is gone, and what it would lose grows from now on.
  await pay.stop();
  await until(
    'a violation',
    async () => {
      const exposure = await cli.json<{ items: Exposure[] }>('exposure', 'ledger');
      return exposure.items[0]?.status === 'VIOLATED' ? true : undefined;
    },
    120_000,
  );
  await until(
    'an alarm',
    async () => {
      const alarms = await cli.json<{ items: unknown[] }>('alarm', 'list');
      return alarms.items.length > 0 ? true : undefined;
    },
    180_000,
  );
}

interface Exposure {
  status?: string;
  repositories: { frontier?: string | null }[];
}

function fleets(scratch: Scratch, of: Record<'ledger' | 'orders' | 'search', Postgres>): string {
  const document = (kind: string, metadata: object, spec: object) =>
    JSON.stringify({ apiVersion: 'holdfast/v1', kind, metadata, spec });
  const cluster = (name: string, fleet: string, tier: string, agent: string, server: Postgres) =>
    document(
      'Cluster',
      { name, fleet, labels: { tier, team: fleet } },
      { instances: [{ agent, connection: server.connection() }] },
    );
  return [
    document('Fleet', { name: 'payments' }, {}),
    document('Fleet', { name: 'shop' }, {}),
    document('Fleet', { name: 'platform' }, {}),
    document(
      'Repository',
      { name: 'eu-vault' },
      { url: `file://${scratch.serverFolder('eu-vault')}` },
    ),
    cluster('ledger', 'payments', 'platinum', 'pay-1', of.ledger),
    cluster('orders', 'shop', 'silver', 'shop-1', of.orders),
    cluster('search', 'shop', 'silver', 'shop-2', of.search),
    // Nobody promises anything for it.
    document(
      'Cluster',
      { name: 'sandbox', fleet: 'platform', labels: { tier: 'none' } },
      { instances: [{ agent: 'shop-2', connection: 'host=/nonexistent user=holdfast' }] },
    ),
    document(
      'Policy',
      { name: 'platinum' },
      {
        selector: { tier: 'platinum' },
        objectives: { rpo: '10s', window: '14d' },
        repository: 'eu-vault',
        wal: { mode: 'streaming', flushEvery: '1s' },
        schedules: [
          { name: 'weekly', cron: '0 1 * * 0', kind: 'full', window: '6h' },
          { name: 'nightly', cron: '0 1 * * 1-6', kind: 'incremental', window: '6h' },
        ],
        retention: { keep: { last: 2, daily: 7, weekly: 4 } },
        approvals: { delete: 2, shortenRetention: 1, restoreOver: 1 },
      },
    ),
    document(
      'Policy',
      { name: 'silver' },
      {
        selector: { tier: 'silver' },
        objectives: { rpo: '15m' },
        repository: 'eu-vault',
        wal: { mode: 'streaming', flushEvery: '5s' },
        schedules: [{ name: 'nightly', cron: '30 2 * * *', kind: 'full' }],
        approvals: { delete: 1 },
      },
    ),
  ].join('\n---\n');
}

/** A port that is free with those that the demo takes besides. */
async function freeBlock(): Promise<number> {
  for (let base = 23_000; base < 32_000; base += 100) {
    const ports = [0, 1, 2, 50, 51].map((offset) => base + offset);
    const free = await Promise.all(ports.map(isFree));
    if (free.every(Boolean)) return base;
  }
  throw new Error('no block of ports is free');
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
