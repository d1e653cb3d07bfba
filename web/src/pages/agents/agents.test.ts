import { expect, test } from 'vitest';
import type { Agent } from '../../api/queries/agents';
import type { Node } from '../../api/queries/nodes';
import { expiryOf, postgresVersion } from './expiry';
import { caOf, serverOf } from './join';

const node = (role: string, grpc: string | null, reachable = true): Node => ({
  id: 1,
  name: 'n',
  state: 'member',
  role,
  voter: true,
  reachable,
  joinedAt: '2026-01-01T00:00:00Z',
  addresses: grpc === null ? null : { rest: 'r:1', grpc, raft: 'x:1' },
});

test('an agent is told the leader, else a node that is heard, else this host', () => {
  expect(serverOf([node('follower', 'b:8443'), node('leader', 'a:8443')], 'h')).toBe(
    'https://a:8443',
  );
  expect(serverOf([node('follower', 'c:8443', false), node('follower', 'b:8443')], 'h')).toBe(
    'https://b:8443',
  );
  expect(serverOf([node('leader', null)], 'cp.example')).toBe('https://cp.example:8443');
});

test('a join token names its CA', () => {
  expect(caOf('hfj1.jtk_1.secret.abcdef')).toBe('abcdef');
  expect(caOf('hft1.tok_1.secret')).toBeUndefined();
});

test('a certificate is near its end when the alarm would open', () => {
  const now = Date.parse('2026-02-03T00:00:00Z');
  const until = (certificateExpiresAt: string) => ({ certificateExpiresAt }) as Agent;
  expect(expiryOf(until('2026-03-03T00:00:00Z'), now)).toBe('fine');
  expect(expiryOf(until('2026-02-16T00:00:00Z'), now)).toBe('near');
  expect(expiryOf(until('2026-02-02T00:00:00Z'), now)).toBe('over');
});

test('PostgreSQL tells its version as a number', () => {
  expect(postgresVersion(150018)).toBe('15.18');
});
