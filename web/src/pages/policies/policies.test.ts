import { describe, expect, test } from 'vitest';
import type { Cluster } from '../../api/queries/clusters';
import type { PolicyPreview } from '../../api/queries/policies';
import { changed, EMPTY_POLICY, nameOf, policyText, readDraft } from './editor/draft';
import { clustersBy, keepsOf, selectorOf } from './facts';
import { lanesOf } from './runs';

describe('a draft', () => {
  test('is no document while a field of it is unknown', () => {
    const draft = readDraft(`${EMPTY_POLICY}  objectives:\n    rpoo: 5s\n`);
    expect(draft.document).toBeUndefined();
    expect(draft.marks).toMatchObject([{ field: 'spec.objectives.rpoo', line: 9 }]);
    expect(draft.marks[0]?.message).toContain('is rpo meant?');
    // The form goes on showing what there is.
    expect(draft.read.value).toBeDefined();
  });

  test('keeps its selector when the last label goes: it says something', () => {
    const labelled = changed(EMPTY_POLICY, ['spec', 'selector'], { tier: 'gold' });
    const bare = changed(labelled, ['spec', 'selector', 'tier'], '');
    expect(readDraft(bare).document).toMatchObject({ spec: { selector: {} } });
  });

  test('has the name that is written, and a number that is a number', () => {
    const named = changed(EMPTY_POLICY, ['metadata', 'name'], 'gold');
    const draft = readDraft(changed(named, ['spec', 'priority'], 5));
    expect(nameOf(draft)).toBe('gold');
    expect(draft.document).toMatchObject({ spec: { priority: 5 } });
  });

  test('of a stored policy has whom it is for first, and loses nothing', () => {
    const spec = { wal: { mode: 'none' }, repository: 'eu', selector: { a: 'b' }, later: [1] };
    const text = policyText({
      apiVersion: 'holdfast/v1',
      kind: 'Policy',
      metadata: { name: 'p' },
      spec,
    });
    expect(text.indexOf('selector')).toBeLessThan(text.indexOf('repository'));
    expect(readDraft(text).read.value).toMatchObject({ spec });
  });
});

test('clusters are counted for the policy that is in force', () => {
  const cluster = (name: string, policy: string | null) =>
    ({ metadata: { name }, status: { policy } }) as unknown as Cluster;
  const held = clustersBy([cluster('a', 'gold'), cluster('b', null), cluster('c', 'gold')]);
  expect(held).toEqual(new Map([['gold', ['a', 'c']]]));
});

test('what is kept and selected is told in a few words', () => {
  expect(keepsOf({ selector: {}, repository: 'eu' })).toBe('everything');
  const retention = { keep: { daily: 7, last: 2 } };
  expect(keepsOf({ selector: {}, repository: 'eu', retention })).toBe('the newest 2, 7 daily');
  expect(selectorOf({ selector: { tier: 'gold' }, repository: 'eu' })).toEqual(['tier=gold']);
});

describe('runs to come', () => {
  const now = Date.parse('2026-02-03T00:00:00Z');
  const run = (cluster: string, schedule: string, at: string, missed = false) =>
    ({
      policy: 'gold',
      cluster,
      schedule,
      next: missed
        ? { run: '', at, placement: 'missed', reason: 'window' }
        : { run: '', at, placement: 'starts', notBefore: at },
    }) as unknown as PolicyPreview['nextRuns'][number];

  test('have a lane for each schedule, on one line of time', () => {
    const found = lanesOf(
      [
        run('a', 'hourly', '2026-02-03T01:00:00Z'),
        run('b', 'nightly', '2026-02-03T02:00:00Z', true),
        run('a', 'hourly', '2026-02-03T03:00:00Z'),
      ],
      now,
    );
    expect(found?.lanes.map(({ schedule, starts }) => [schedule, starts.length])).toEqual([
      ['hourly', 2],
      ['nightly', 1],
    ]);
    expect(found?.lanes[1]?.starts[0]?.missed).toBe(true);
    expect(found).toMatchObject({ clusters: 2, from: now, to: Date.parse('2026-02-03T03:00:00Z') });
  });

  test('are none when none is due', () => expect(lanesOf([], now)).toBeUndefined());
});
