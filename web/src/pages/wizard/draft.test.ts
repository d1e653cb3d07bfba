import { describe, expect, test } from 'vitest';
import { commandOf, firstOpen, readChecks, requestOf, shownStep, wrongIn } from './draft';
import type { Draft } from './route';

const whole: Draft = {
  cluster: 'orders',
  at: '2026-02-03T02:41:07Z',
  agent: 'db2',
  dir: '/srv/copy',
  port: 5433,
};

describe('a request', () => {
  test('says what was chosen and nothing else', () => {
    expect(requestOf(whole)).toEqual({
      cluster: 'orders',
      at: '2026-02-03T02:41:07Z',
      agent: 'db2',
      dir: '/srv/copy',
      start: true,
      port: 5433,
    });
  });

  test('is to the latest point unless another was chosen', () => {
    expect(requestOf({ cluster: 'orders' }).at).toBe('latest');
  });

  test('has no port and no start of a server that is not started', () => {
    const asked = requestOf({ ...whole, start: false });
    expect(asked).not.toHaveProperty('port');
    expect(asked).not.toHaveProperty('start');
  });

  test('names a region only where no agent is named', () => {
    expect(requestOf({ ...whole, region: 'eu' })).not.toHaveProperty('region');
    expect(requestOf({ ...whole, agent: undefined, region: 'eu' })).toMatchObject({ region: 'eu' });
  });

  test('stops before a point only where there is an edge', () => {
    expect(requestOf({ ...whole, exclusive: true })).toMatchObject({ exclusive: true });
    expect(requestOf({ ...whole, at: 'latest', exclusive: true })).not.toHaveProperty('exclusive');
    const backup = `backup:bkp_${'0'.repeat(32)}`;
    expect(requestOf({ ...whole, at: backup, exclusive: true })).not.toHaveProperty('exclusive');
  });

  test('forces nothing that it does not write over', () => {
    expect(requestOf({ ...whole, force: true })).not.toHaveProperty('force');
    expect(requestOf({ ...whole, delta: true, force: true })).toMatchObject({
      delta: true,
      force: true,
    });
  });

  test('of a rehearsal has a target, a place and a repository, and nothing else', () => {
    const asked = requestOf({ ...whole, rehearse: true, exclusive: true, delta: true, set: 'a=b' });
    expect(asked).toEqual({
      cluster: 'orders',
      at: '2026-02-03T02:41:07Z',
      agent: 'db2',
      rehearse: true,
    });
  });

  test('reads lines of settings, places, labels, checks, hooks and webhooks', () => {
    expect(
      requestOf({
        ...whole,
        set: 'work_mem=1GB\n\nprimary_conninfo=host=db1 user=x',
        tablespaces: '/fast=/slow',
        register: 'orders-2',
        labels: 'tier=gold',
        hooks: 'repoint\n warm ',
        webhooks: 'https://a.example/x',
        secret: 'hook',
        checks: 'select 1 => = 1',
      }),
    ).toMatchObject({
      set: { work_mem: '1GB', primary_conninfo: 'host=db1 user=x' },
      tablespaceMap: { '/fast': '/slow' },
      register: { name: 'orders-2', labels: { tier: 'gold' } },
      hooks: ['repoint', 'warm'],
      webhooks: [{ url: 'https://a.example/x', secret: 'hook' }],
      checks: [{ sql: 'select 1', expect: '= 1' }],
    });
  });
});

test('what is expected is what stands behind the last arrow', () => {
  expect(readChecks("select 'a=>b' => = a=b")).toEqual([{ sql: "select 'a=>b'", expect: '= a=b' }]);
});

describe('the equal command', () => {
  test('plans the same', () => {
    expect(commandOf(whole, 'plan').replaceAll(' \\\n ', '')).toBe(
      'holdfast restore plan orders --at 2026-02-03T02:41:07Z --agent db2 --dir /srv/copy --start --port 5433',
    );
  });

  test('runs exactly the plan, and quotes what a shell would read', () => {
    const said = commandOf({ ...whole, dir: '/srv/a b', set: "x=it's" }, 'run', 'abc');
    expect(said).toContain("--dir '/srv/a b'");
    expect(said).toContain(`--set 'x=it'\\''s'`);
    expect(said).toContain('--plan-hash abc');
    expect(said.endsWith('--wait')).toBe(true);
  });
});

describe('a step', () => {
  test('is not come to before those in front of it are done', () => {
    expect(shownStep({ step: 'plan' })).toBe('source');
    expect(shownStep({ step: 'plan', cluster: 'orders' })).toBe('target');
    expect(shownStep({ ...whole, step: 'plan' })).toBe('plan');
    expect(shownStep({ ...whole, step: 'plan', at: 'lsn:x' })).toBe('point');
  });

  test('of a rehearsal needs no directory', () => {
    expect(firstOpen({ cluster: 'orders', rehearse: true })).toBe('plan');
  });

  test.each<[string, Draft, keyof Draft]>([
    ['a directory that is not absolute', { ...whole, dir: 'copy' }, 'dir'],
    ['no place', { ...whole, agent: undefined }, 'agent'],
    ['a standby of the past', { ...whole, action: 'standby' }, 'action'],
    [
      'a registered cluster that does not run',
      { ...whole, register: 'x', start: false },
      'register',
    ],
    ['a setting without a value', { ...whole, set: 'work_mem' }, 'set'],
    ['a webhook with a password', { ...whole, webhooks: 'https://a:b@c/' }, 'webhooks'],
    ['a check that expects nothing', { ...whole, checks: 'select 1' }, 'checks'],
  ])('says what is wrong: %s', (_, draft, field) => {
    expect(Object.keys(wrongIn(draft, 'target'))).toEqual([field]);
  });
});

test('amcheck is a check beside the queries', () => {
  const draft = { cluster: 'orders', checks: 'select 1 => = 1', amcheck: true };
  expect(requestOf(draft).checks).toEqual([{ sql: 'select 1', expect: '= 1' }, { amcheck: true }]);
  expect(requestOf({ cluster: 'orders', amcheck: true }).checks).toEqual([{ amcheck: true }]);
  expect(commandOf(draft, 'run')).toContain('--checks checks.yaml');
  expect(requestOf({ cluster: 'orders' })).not.toHaveProperty('checks');
});
