import { describe, expect, test } from 'vitest';
import type { ComplianceRow, Violation } from '../../api/queries/compliance';
import { budgetOf, ordered } from './budget';
import { cellsOf, daysOf, periodOf, tellCell, windowOf } from './days';
import { movedBy } from './Heatmap';

const HOUR = 3_600_000;
const iso = (at: number) => new Date(at).toISOString();

function violation(from: number, to: number | null): Violation {
  return {
    cause: 'wal_behind',
    cluster: 'orders',
    startedAt: iso(from),
    endedAt: to === null ? null : iso(to),
    exemptSeconds: 0,
    highest: { seconds: 60, unbounded: false },
    open: to === null,
    rpoScope: 'any',
    rpoSeconds: 30,
    seconds: 60,
  };
}

describe('days', () => {
  test('follow each other to now, whatever the clock does', () => {
    const now = Date.parse('2026-10-26T10:00:00Z');
    const days = daysOf(4, now);
    expect(days).toHaveLength(4);
    expect(days.at(-1)?.to).toBe(now);
    expect(days.slice(1).map(({ from }) => from)).toEqual(days.slice(0, -1).map(({ to }) => to));
    expect(days.map(({ from }) => new Date(from).getHours())).toEqual([0, 0, 0, 0]);
  });

  test('what is asked for stays the same for a while', () => {
    const now = Date.parse('2026-06-01T10:02:00Z');
    expect(periodOf(7, now).from).toBe(periodOf(7, now + 60_000).from);
    // And what is new since is within its last day.
    expect(periodOf(7, now).days.at(-1)?.to).toBe(now);
  });
});

describe('cells', () => {
  const day = { from: 0, to: 24 * HOUR };
  const of = (phases: Parameters<typeof cellsOf>[0]['phases'], violations: Violation[] = []) =>
    cellsOf({ cluster: 'orders', phases, violations }, [day])[0];

  test('a day without a violation has the share of it that nothing is known of', () => {
    const phase = (from: number, to: number, status: 'COMPLIANT' | 'UNKNOWN' | 'UNPROTECTED') => ({
      from: iso(from * HOUR),
      to: iso(to * HOUR),
      status,
    });
    const phases = [
      phase(0, 18, 'COMPLIANT'),
      phase(18, 21, 'UNKNOWN'),
      // Half of it is of the next day.
      phase(21, 27, 'UNPROTECTED'),
    ] as Parameters<typeof of>[0];
    expect(of(phases)).toMatchObject({ look: 'unknown', above: 0, share: 6 / 24 });
    // What is above the RPO counts first, however much is unknown besides.
    const both = of(phases, [violation(0, 1 * HOUR)]);
    expect(both).toMatchObject({ look: 'violated', share: 1 / 24 });
  });

  test('a violation counts for each day by its part of it', () => {
    const cells = cellsOf(
      { cluster: 'orders', phases: [], violations: [violation(18 * HOUR, 30 * HOUR)] },
      [day, { from: 24 * HOUR, to: 48 * HOUR }, { from: 48 * HOUR, to: 72 * HOUR }],
    );
    expect(cells.map(({ above }) => above / 3600)).toEqual([6, 6, 0]);
    expect(cells.map(({ look }) => look)).toEqual(['violated', 'violated', 'none']);
    expect(cells[0]?.share).toBe(0.25);
  });

  test('the worst that was is shown, and all of it said', () => {
    const phase = (from: number, to: number, status: 'COMPLIANT' | 'UNKNOWN' | 'AT_RISK') => ({
      from: iso(from * HOUR),
      to: iso(to * HOUR),
      status,
    });
    const cell = of([
      phase(-5, 20, 'COMPLIANT'),
      phase(20, 22, 'UNKNOWN'),
      phase(22, 99, 'AT_RISK'),
    ]);
    expect(cell?.look).toBe('unknown');
    expect(cell?.states).toEqual({ COMPLIANT: 72_000, UNKNOWN: 7200, AT_RISK: 7200 });
    expect(cell && tellCell(cell)).toMatch(/: not known for 2 h, close to the RPO for 2 h$/);
    expect(of([phase(0, 24, 'COMPLIANT')])?.look).toBe('compliant');
  });

  test('nothing measured is not in order', () => {
    const cell = of([{ from: iso(0), to: iso(24 * HOUR), status: null }]);
    expect(cell?.look).toBe('none');
    expect(cell && tellCell(cell)).toMatch(/nothing measured$/);
  });

  test('a cell leads to its violations with some room, else to its day', () => {
    expect(windowOf({ day, violations: [] })).toEqual({ from: iso(0), to: iso(24 * HOUR) });
    const one = violation(10 * HOUR, 11 * HOUR);
    expect(windowOf({ day, violations: [one] })).toEqual({
      from: iso(9.8 * HOUR),
      to: iso(11.2 * HOUR),
      at: iso(10 * HOUR),
    });
  });
});

describe('budgets', () => {
  const row = (cluster: string, violated: number, more = {}) =>
    ({
      cluster,
      rpoSeconds: 30,
      eligibleSeconds: 100_000,
      violatedSeconds: violated,
      violatedExemptSeconds: 0,
      ...more,
    }) as ComplianceRow;

  test('what is left may be less than nothing; excused time does not count', () => {
    const budget = budgetOf(row('a', 150), '99.9');
    expect(budget?.whole).toBeCloseTo(100);
    expect(budget?.left).toBeCloseTo(-50);
    expect(budgetOf(row('a', 150, { violatedExemptSeconds: 150 }), '99.9')?.used).toBe(0);
    expect(budgetOf(row('a', 0, { rpoSeconds: null }), '99.9')).toBeUndefined();
  });

  test('the least first, those without an RPO last', () => {
    const rows = [row('none', 0, { rpoSeconds: null }), row('good', 0), row('bad', 900)];
    const names = (order: 'budget' | 'name') =>
      ordered(rows, '99.9', order).map(({ cluster }) => cluster);
    expect(names('budget')).toEqual(['bad', 'good', 'none']);
    expect(names('name')).toEqual(['none', 'good', 'bad']);
  });
});

test('the focus stays within the grid', () => {
  expect(movedBy('ArrowUp', { row: 0, day: 3 }, 5, 30)).toEqual({ row: 0, day: 3 });
  expect(movedBy('PageDown', { row: 1, day: 3 }, 5, 30)).toEqual({ row: 4, day: 3 });
  expect(movedBy('End', { row: 1, day: 3 }, 5, 30)).toEqual({ row: 1, day: 29 });
  expect(movedBy('a', { row: 1, day: 3 }, 5, 30)).toBeUndefined();
});
