import { expect, test } from 'vitest';
import { dayOf, periodOf, shortTime } from './period';

const now = Date.parse('2026-02-03T02:41:07.250Z');

test('a month and a quarter are those before this one, across the year', () => {
  expect(periodOf('month', now)).toEqual({
    from: '2026-01-01T00:00:00.000Z',
    to: '2026-02-01T00:00:00.000Z',
  });
  expect(periodOf('quarter', now)).toEqual({
    from: '2025-10-01T00:00:00.000Z',
    to: '2026-01-01T00:00:00.000Z',
  });
});

test('thirty days end as late as is known, and begin on a whole second', () => {
  expect(periodOf('30d', now)).toEqual({ from: '2026-01-04T02:41:07.000Z', to: undefined });
});

test('days begin at midnight UTC, and commands say them as days', () => {
  expect(dayOf('2026-07-01')).toBe('2026-07-01T00:00:00.000Z');
  expect(dayOf('soon')).toBeUndefined();
  expect(shortTime('2026-07-01T00:00:00.000Z')).toBe('2026-07-01');
  expect(shortTime('2026-07-01T08:00:00.000Z')).toBe('2026-07-01T08:00:00Z');
});
