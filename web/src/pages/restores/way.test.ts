import { describe, expect, test } from 'vitest';
import type { Restore, RestoreState } from '../../api/queries/restores';
import { readResult } from './result';
import { canBeEnded, wayOf } from './way';

const at = '2026-02-03T02:41:07Z';
function restore(states: RestoreState[], approval: string | null = null) {
  const history = states.map((state) => ({ state, at }));
  return { state: states.at(-1) ?? 'planned', history, approval } satisfies Pick<
    Restore,
    'state' | 'history' | 'approval'
  >;
}

describe('the way of a restore', () => {
  test('waits where others must consent', () => {
    const way = wayOf(restore(['planned', 'awaitingApproval'], 'apr_1'));
    expect(way).toMatchObject({ plan: 'done', approval: 'waiting', run: 'todo' });
  });

  test('passes over a consent that nobody asked for', () => {
    const way = wayOf(restore(['planned', 'placing', 'running']));
    expect(way).toMatchObject({ approval: 'skipped', run: 'current', validate: 'todo' });
  });

  test('ends where it failed', () => {
    const way = wayOf(restore(['planned', 'placing', 'running', 'validating', 'failed'], 'apr_1'));
    expect(way).toMatchObject({
      approval: 'done',
      run: 'done',
      validate: 'failed',
      handOver: 'todo',
    });
    expect(wayOf(restore(['planned', 'awaitingApproval', 'rejected'], 'apr_1')).approval).toBe(
      'failed',
    );
  });

  test('is gone to its end', () => {
    const way = wayOf(restore(['planned', 'placing', 'running', 'validating', 'done']));
    expect(Object.values(way).filter((state) => state !== 'done')).toEqual(['skipped']);
  });
});

test('what is restored is not taken back', () => {
  expect(canBeEnded('running')).toBe(true);
  expect(canBeEnded('validating')).toBe(false);
  expect(canBeEnded('done')).toBe(false);
});

test('what an agent tells is read as far as it is known', () => {
  const told = { dir: '/srv/copy', timeline: 2, reachedLsn: '0/1', port: 5433, phases: [{}], x: 1 };
  expect(readResult(told)).toMatchObject({ dir: '/srv/copy', port: 5433, hooks: [], checks: [] });
  expect(readResult(null)).toBeUndefined();
  expect(readResult({ database: 'orders' })).toBeUndefined();
});
