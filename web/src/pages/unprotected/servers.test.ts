import { expect, test } from 'vitest';
import type { Unprotected } from '../../api/queries/overview';
import { countOf, foundOf } from './servers';

const server = (agent: string, over: Partial<NonNullable<Unprotected['instance']>> = {}) => ({
  reason: 'not_declared' as const,
  agent,
  instance: {
    dataDirectory: '/data',
    running: true,
    port: 5432,
    systemIdentifier: '7',
    ...over,
  },
});
const cluster = (name: string): Unprotected => ({ reason: 'no_policy', agent: 'a', cluster: name });

test('a server that several agents see is one', () => {
  const found = foundOf([server('a'), server('b'), cluster('sandbox')]);
  expect(found.map(({ by }) => by.map(({ agent }) => agent))).toEqual([['a', 'b'], ['a']]);
});

test('servers that differ, or of which too little is known, stay apart', () => {
  const closed = { systemIdentifier: null };
  expect(foundOf([server('a'), server('b', { port: 5433 })])).toHaveLength(2);
  expect(foundOf([server('a'), server('b', { systemIdentifier: '8' })])).toHaveLength(2);
  expect(foundOf([server('a', closed), server('b', closed)])).toHaveLength(2);
});

test('what is not read to its end is counted by the control plane', () => {
  const rows = [server('a'), server('b'), cluster('sandbox')];
  expect(countOf(rows, true, 2)).toBe(1);
  expect(countOf(rows, false, 2)).toBe(2);
});
