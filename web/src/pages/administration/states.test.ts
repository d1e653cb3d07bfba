import { expect, test } from 'vitest';
import { untilOf } from '../alarms/until';
import { usesOf } from '../repositories/uses';
import { placeOfChannel, reachOfChannel, readLabels, scopeOf, tokenState } from './states';

const now = Date.parse('2026-02-03T00:00:00Z');

test('a token is active until it ends or is revoked', () => {
  const token = { id: 't', name: 'ci', createdAt: '2026-01-01T00:00:00Z' };
  expect(tokenState(token, now)).toBe('active');
  expect(tokenState({ ...token, expiresAt: '2026-02-02T00:00:00Z' }, now)).toBe('expired');
  expect(tokenState({ ...token, revokedAt: '2026-01-02T00:00:00Z' }, now)).toBe('revoked');
});

test('where a role holds', () => {
  expect(scopeOf({ fleet: 'shop' })).toBe('fleet shop');
  expect(scopeOf({ selector: {} })).toBe('everything');
  expect(scopeOf({ selector: { a: 'b' } })).toBe('a=b');
});

test.each([
  ['tier=gold, team=a', { tier: 'gold', team: 'a' }],
  ['tier', undefined],
  ['', undefined],
])('%j is the selector %j', (text, selector) => expect(readLabels(text)).toEqual(selector));

test('a channel tells where it leads and of what, and no secret', () => {
  expect(placeOfChannel({ type: 'slack', urlSecret: 'slack-hook' })).toBe('slack-hook');
  expect(reachOfChannel({ type: 'slack' })).toEqual(['everything']);
  expect(
    reachOfChannel({ type: 'email', fleets: ['shop'], minimumSeverity: 'critical', after: '15m' }),
  ).toEqual(['fleets shop', 'Critical and worse', 'when nobody takes it on for 15m']);
});

test('a silence ends after a while, or at a time that is still to come', () => {
  expect(untilOf('4h', undefined, now)).toBe('2026-02-03T04:00:00.000Z');
  expect(untilOf('until', new Date('2026-02-04T00:00:00Z'), now)).toBe('2026-02-04T00:00:00.000Z');
  expect(untilOf('until', new Date('2026-02-01T00:00:00Z'), now)).toBeUndefined();
  expect(untilOf('until', undefined, now)).toBeUndefined();
});

test('a repository is used first, or for copies', () => {
  const policy = (name: string, spec: object) => ({ metadata: { name }, spec }) as never;
  const policies = [
    policy('gold', { repository: 'eu', copies: [{ repository: 'us', within: '15m' }] }),
    policy('silver', { repository: 'us' }),
  ];
  expect(usesOf('us', policies)).toEqual([
    { policy: 'gold', copy: { within: '15m' } },
    { policy: 'silver', copy: undefined },
  ]);
  expect(usesOf('asia', policies)).toEqual([]);
});
