import { expect, test } from 'vitest';
import { toldOf } from './result';

test('a result is told in facts, with units', () => {
  expect(
    toldOf({
      databaseBytes: 3,
      queuedSeconds: 2,
      tookMillis: 1500,
      lastCommitAt: '2026-02-03T02:41:07Z',
      reachedLsn: '0/4000000',
      timeline: 1,
      serverVersion: 150_018,
      verified: true,
      empty: '',
      none: null,
      checks: [{}],
    }),
  ).toEqual([
    { name: 'Database', kind: 'bytes', value: 3 },
    { name: 'Queued', kind: 'seconds', value: 2 },
    { name: 'Took', kind: 'seconds', value: 1.5 },
    { name: 'Last commit at', kind: 'moment', value: '2026-02-03T02:41:07Z' },
    { name: 'Reached LSN', kind: 'text', value: '0/4000000' },
    { name: 'Timeline', kind: 'text', value: 1 },
    { name: 'PostgreSQL', kind: 'text', value: '15.18' },
    { name: 'Verified', kind: 'flag', value: true },
  ]);
});
