import { describe, expect, test } from 'vitest';
import type { ClusterCoverage, RepositoryCoverage } from '../../../api/queries/coverage';
import { timeScale } from '../../../charts/scale';
import { movedBy } from './Cursor';
import { backupGroups, boxOf, drillGroups, holeBoxes, nearestWithin, stretchBoxes } from './layout';
import { landmarks, nextLandmark, pointedAt, previousLandmark, whatIsAt } from './point';
import { pan, searchOf, spanOf, viewOf, zoom } from './range';

const HOUR = 3_600_000;
const at = (hours: number) => new Date(hours * HOUR).toISOString();

function stretch(from: number, to: number, timeline = 1) {
  return {
    lineage: 'l/1',
    timeline,
    from: at(from),
    to: at(to),
    fromLsn: '0/1',
    toLsn: '0/2',
    backup: 'b',
    stretches: 1,
    missingSeconds: 0,
  };
}

function hole(from: number, to: number | null, cause: string | null) {
  return {
    lineage: 'l/1',
    timeline: 1,
    from: at(from),
    to: to === null ? null : at(to),
    missing: [],
    cause,
  };
}

const repository: RepositoryCoverage = {
  repository: 'eu',
  role: 'original',
  windowStart: at(0),
  windowEnd: at(90),
  stretches: [stretch(0, 10), stretch(20, 50), stretch(50, 90, 2)],
  holes: [hole(10, 20, 'slot_lost')],
  timelines: [],
};

function backup(id: string, hours: number, more = {}) {
  return {
    id,
    kind: 'incremental' as const,
    state: 'available' as const,
    repositories: ['eu'],
    startedAt: at(hours - 0.1),
    finishedAt: at(hours),
    ...more,
  };
}

const coverage: ClusterCoverage = {
  cluster: 'orders',
  asOf: at(100),
  to: at(100),
  repositories: [repository],
  backups: [
    backup('a', 0, { kind: 'full' }),
    backup('b', 20),
    backup('c', 20.5, { kind: 'full', hold: { by: 'ada', placedAt: at(1), reason: 'x' } }),
    backup('dump', 15, { kind: 'logical' }),
    backup('failed', 12, { state: 'failed', repositories: [] }),
  ],
  drills: [],
  violations: null,
  leftOut: { backups: 0, drills: 0, violations: 0 },
};
const scale = timeScale(0, 100 * HOUR, 1000);

describe('what is drawn', () => {
  test('a stretch is where it is, and says its timeline where that changes', () => {
    const [first, second, third] = stretchBoxes(repository, scale);
    expect(first).toMatchObject({ x: 0, width: 100, shade: 0, switches: false });
    expect(second).toMatchObject({ x: 200, width: 300, named: false });
    expect(third).toMatchObject({ x: 500, shade: 1, switches: true, named: true });
  });

  test('the shortest gap is seen; one that is open lasts to the end', () => {
    const [short, open] = holeBoxes(
      { ...repository, holes: [hole(10, 10.001, 'slot_lost'), hole(90, null, 'expired')] },
      scale,
    );
    expect(short).toMatchObject({ width: 3, expected: false, open: false });
    expect(open).toMatchObject({ x: 900, width: 100, expected: true, open: true });
  });

  test('nothing is drawn outside', () => {
    expect(boxOf(timeScale(50, 60, 100), 10, 20)).toBeUndefined();
    const edge = boxOf(timeScale(0, 100, 100), 100, 100);
    expect(edge).toEqual({ x: 97, width: 3 });
  });

  test('backups that are too near are one, which tells the most; holds are not lost', () => {
    const groups = backupGroups(coverage.backups, 'eu', true, scale);
    expect(groups.map(({ first }) => first.id)).toEqual(['a', 'failed', 'dump', 'c']);
    expect(groups.at(-1)).toMatchObject({ held: true, verified: false });
    expect(groups.at(-1)?.marks.map(({ id }) => id)).toEqual(['b', 'c']);
    // What came to be nowhere is told beside the original alone.
    expect(backupGroups(coverage.backups, 'eu', false, scale)).toHaveLength(3);
  });

  test('a failed drill is not hidden by one that passed', () => {
    const drill = (hours: number, verdict: 'passed' | 'failed') => ({
      id: `${hours}`,
      finishedAt: at(hours),
      verdict,
      repository: 'eu',
    });
    const groups = drillGroups([drill(40, 'failed'), drill(40.5, 'passed')], scale);
    expect(groups).toMatchObject([{ x: 400, verdict: 'failed' }]);
  });

  test('the nearest within reach', () => {
    const marks = [{ x: 10 }, { x: 16 }];
    expect(nearestWithin(marks, 14, 5)).toBe(marks[1]);
    expect(nearestWithin(marks, 30, 5)).toBeUndefined();
  });
});

describe('what is at a moment', () => {
  test('inside of a stretch: from where, and from which backup', () => {
    const here = whatIsAt(coverage, 21 * HOUR);
    expect(here).toMatchObject({ place: 'covered', from: ['eu'] });
    expect(here.backup?.id).toBe('c');
  });

  test('in a gap, before, after, and where there is nothing', () => {
    expect(whatIsAt(coverage, 15 * HOUR)).toMatchObject({
      place: 'hole',
      hole: { cause: 'slot_lost' },
    });
    expect(whatIsAt(coverage, 95 * HOUR).place).toBe('after');
    expect(whatIsAt(coverage, -1 * HOUR).place).toBe('before');
    expect(whatIsAt({ ...coverage, repositories: [] }, 0).place).toBe('nothing');
  });

  test('landmarks are in order, once each, with the words of the API', () => {
    const marks = landmarks(coverage);
    expect(marks.map((mark) => mark.at / HOUR)).toEqual([0, 10, 20, 20.5, 50, 90]);
    expect(nextLandmark(marks, 20 * HOUR)?.iso).toBe(at(20.5));
    expect(previousLandmark(marks, 20 * HOUR)?.iso).toBe(at(10));
    expect(nextLandmark(marks, 90 * HOUR)).toBeUndefined();
  });

  test('pointing is no finer than pixels', () => {
    expect(pointedAt(1_234_567, 60_000).iso).toBe('1970-01-01T00:20:35.000Z');
    expect(pointedAt(1_234_567.4, 2).at).toBe(1_234_567);
  });
});

describe('keys', () => {
  const marks = landmarks(coverage);
  const press = (key: string, shiftKey = false) =>
    movedBy({ key, shiftKey }, 20 * HOUR, scale, 1000, marks)?.at;

  test('arrows move it, farther with shift, never out of what is shown', () => {
    const small = press('ArrowRight') ?? 0;
    const large = press('ArrowRight', true) ?? 0;
    expect(small).toBeGreaterThan(20 * HOUR);
    expect(large - 20 * HOUR).toBe((small - 20 * HOUR) * 10);
    expect(movedBy({ key: 'ArrowLeft', shiftKey: true }, 0, scale, 1000, marks)?.at).toBe(0);
  });

  test('pages jump to landmarks; other keys are not its own', () => {
    expect(press('PageDown')).toBe(20.5 * HOUR);
    expect(press('PageUp')).toBe(10 * HOUR);
    expect(press('Home')).toBe(0);
    expect(press('Tab')).toBeUndefined();
  });
});

describe('the time that is shown', () => {
  test('a length, all, or what the URL says', () => {
    expect(spanOf({ range: '6h' })).toEqual({ last: 6 * HOUR });
    expect(spanOf({})).toEqual({ last: undefined });
    expect(spanOf({ from: at(1), to: at(2), range: '6h' })).toEqual({ from: at(1), to: at(2) });
    expect(spanOf({ from: at(2), to: at(1) })).toEqual({ last: undefined });
  });

  test('all begins where anything does', () => {
    const view = viewOf({ last: undefined }, coverage);
    expect(view.to).toBe(100 * HOUR);
    expect(view.from).toBeLessThan(0);
    expect(view.from).toBeGreaterThan(-3 * HOUR);
  });

  test('zooming keeps what is looked at; nothing of the future is shown', () => {
    const near = zoom({ from: 0, to: 100 * HOUR }, 0.5, 20 * HOUR, 100 * HOUR);
    expect(near).toEqual({ from: 10 * HOUR, to: 60 * HOUR });
    const far = zoom({ from: 0, to: 100 * HOUR }, 2, 100 * HOUR, 100 * HOUR);
    expect(far.to).toBe(100 * HOUR);
    expect(pan({ from: 0, to: 10 * HOUR }, 0.5, 12 * HOUR)).toEqual({
      from: 2 * HOUR,
      to: 12 * HOUR,
    });
    expect(zoom({ from: 0, to: 1000 }, 0.01, 500, HOUR).to - 500).toBe(10_000);
    expect(searchOf({ from: 0, to: HOUR })).toEqual({ range: undefined, from: at(0), to: at(1) });
  });
});
