import { expect, test } from 'vitest';
import { headerText } from '../../api/queries/backups';
import type { Job } from '../../api/queries/jobs';
import { childrenOf } from '../catalog/tree';
import { rtoOf, trendOf } from '../drills/trend';
import { inQueueOrder } from '../jobs/queue';
import { shortId } from '../../format/ids';
import { phasesOf, toldPhases } from './phases';
import { between } from './took';
import { version } from './version';

const job = (changed: Partial<Job>): Job => ({
  id: 'job_1',
  kind: 'backup',
  cluster: 'orders',
  repository: 'eu',
  state: 'queued',
  createdAt: '2026-02-03T02:00:00Z',
  cancelRequested: false,
  ...changed,
});

test('phases last until the next one, the last until the attempt ended or now', () => {
  const phases = [
    { phase: 'prepare' as const, at: '2026-02-03T02:00:00Z', attempt: 1 },
    { phase: 'copy' as const, at: '2026-02-03T02:00:02Z', attempt: 1 },
    { phase: 'prepare' as const, at: '2026-02-03T02:01:00Z', attempt: 2 },
  ];
  const attempts = [
    {
      attempt: 1,
      generation: 1,
      agent: 'a',
      leasedAt: '2026-02-03T02:00:00Z',
      endedAt: '2026-02-03T02:00:07Z',
    },
    { attempt: 2, generation: 2, agent: 'b', leasedAt: '2026-02-03T02:01:00Z' },
  ];
  const told = job({ phases, attempts });
  const now = Date.parse('2026-02-03T02:01:30Z');
  expect(phasesOf(told, 1, now)).toEqual([
    { phase: 'prepare', seconds: 2 },
    { phase: 'copy', seconds: 5 },
  ]);
  expect(phasesOf(told, 2, now)).toEqual([{ phase: 'prepare', seconds: 30, open: true }]);
  expect(toldPhases([{ phase: 'wal', milliseconds: 1500 }, null, { phase: 1 }])).toEqual([
    { phase: 'wal', seconds: 1.5 },
  ]);
});

test('the queue is by place, and those that may not begin yet by age after them', () => {
  const jobs = [
    job({ id: 'late', createdAt: '2026-02-03T03:00:00Z' }),
    job({ id: 'second', queuePosition: 2 }),
    job({ id: 'early', createdAt: '2026-02-03T01:00:00Z' }),
    job({ id: 'first', queuePosition: 1 }),
  ];
  expect(inQueueOrder(jobs).map(({ id }) => id)).toEqual(['first', 'second', 'early', 'late']);
});

test('only drills that passed are a trend; a target is what the policy promises', () => {
  const drill = { verdict: 'passed', achievedRtoSeconds: 5, finishedAt: '2026-02-03T02:00:00Z' };
  const drills = [
    drill,
    { ...drill, verdict: 'failed', finishedAt: '2026-02-02T02:00:00Z' },
    { ...drill, achievedRtoSeconds: 7, finishedAt: '2026-02-01T02:00:00Z' },
  ] as unknown as Parameters<typeof trendOf>[0];
  expect(trendOf(drills).achieved).toEqual([7, 5]);
  expect(rtoOf([{ field: 'objectives.rto', value: '30m' }])).toBe(1800);
  expect(rtoOf([{ field: 'objectives.rto', value: null }])).toBeUndefined();
});

test('small things', () => {
  expect(shortId('bkp_0c3ff5b516e08addaedf960892bd7eb7')).toBe('bkp_0c3f…d7eb7');
  expect(shortId('gold')).toBe('gold');
  expect(version(150_018)).toBe('15.18');
  expect(version(null)).toBeUndefined();
  expect(between('2026-02-03T02:00:00Z', null)).toBeUndefined();
  expect(
    childrenOf('a', [
      { id: 'b', parent: 'a' },
      { id: 'c', parent: 'b' },
    ]),
  ).toHaveLength(1);
  // A header carries the bytes of UTF-8.
  expect(headerText('für')).toBe('f\u00c3\u00bcr');
});
