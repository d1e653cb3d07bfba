/** Days of a period, and what a cluster was on each of them: pure. */
import type { ClusterHistory, Period, Violation } from '../../api/queries/compliance';
import type { Compliance } from '../../api/queries/exposure';
import { formatDuration } from '../../format/time';
import { words } from '../../words';

const text = words.compliance.heatmap;

export interface Day {
  from: number;
  to: number;
}

/** Days of this browser's zone, of which the last is not over; some have 23 or 25 hours. */
export function daysOf(count: number, now: number): Day[] {
  const days: Day[] = [];
  for (let back = count - 1; back >= 0; back -= 1) {
    const from = new Date(now);
    from.setHours(0, 0, 0, 0);
    from.setDate(from.getDate() - back);
    const to = new Date(from);
    to.setDate(to.getDate() + 1);
    days.push({ from: from.getTime(), to: Math.min(now, to.getTime()) });
  }
  return days;
}

/** It begins with a day, so that what is asked stays the same until the next. */
export function periodOf(days: number, now: number): Period & { days: Day[] } {
  const all = daysOf(days, now);
  return { from: new Date(all[0]?.from ?? now).toISOString(), days: all };
}

export interface Cell {
  day: Day;
  /** Seconds in each state, and seconds above the RPO. */
  states: Partial<Record<Compliance, number>>;
  above: number;
  /** The part of the day that was above the RPO; else that was not known. */
  share: number;
  look: 'violated' | 'unknown' | 'atRisk' | 'exempt' | 'compliant' | 'none';
  violations: Violation[];
}

export function cellsOf({ phases, violations }: ClusterHistory, days: readonly Day[]): Cell[] {
  return days.map((day) => {
    const states: Cell['states'] = {};
    for (const { from, to, status } of phases) {
      if (status == null) continue;
      const seconds = overlap(day, Date.parse(from), Date.parse(to));
      if (seconds > 0) states[status] = (states[status] ?? 0) + seconds;
    }
    const touching = violations.filter(
      ({ startedAt, endedAt }) => overlap(day, Date.parse(startedAt), endOf(endedAt, day)) > 0,
    );
    const told = touching.reduce(
      (sum, { startedAt, endedAt }) =>
        sum + overlap(day, Date.parse(startedAt), endOf(endedAt, day)),
      0,
    );
    const above = Math.max(told, states.VIOLATED ?? 0);
    const length = (day.to - day.from) / 1000;
    const unknown = (states.UNKNOWN ?? 0) + (states.UNPROTECTED ?? 0);
    const worst = above > 0 ? above : unknown;
    const share = length <= 0 ? 0 : Math.min(1, worst / length);
    return { day, states, above, share, look: lookOf(states, above), violations: touching };
  });
}

const endOf = (endedAt: string | null | undefined, day: Day) =>
  endedAt == null ? day.to : Date.parse(endedAt);

function overlap(day: Day, from: number, to: number): number {
  return Math.max(0, Math.min(day.to, to) - Math.max(day.from, from)) / 1000;
}

/** The worst that was. */
function lookOf(states: Cell['states'], above: number): Cell['look'] {
  if (above > 0) return 'violated';
  if ((states.UNKNOWN ?? 0) + (states.UNPROTECTED ?? 0) > 0) return 'unknown';
  if ((states.AT_RISK ?? 0) > 0) return 'atRisk';
  if ((states.EXEMPT ?? 0) > 0) return 'exempt';
  return (states.COMPLIANT ?? 0) > 0 ? 'compliant' : 'none';
}

const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');

export function nameOf({ from }: Day): string {
  const date = new Date(from);
  return `${date.getDate()} ${MONTHS[date.getMonth()] ?? ''}`;
}

/** A day of a cluster in words. */
export function tellCell({ day, states, above }: Cell): string {
  const said: string[] = [];
  const add = (seconds: number | undefined, tell: (time: string) => string) => {
    if (seconds !== undefined && seconds > 0) said.push(tell(formatDuration(seconds)));
  };
  add(above, text.above);
  add(states.UNPROTECTED, text.unprotected);
  add(states.UNKNOWN, text.unknown);
  add(states.AT_RISK, text.atRisk);
  add(states.EXEMPT, text.exempt);
  if (said.length === 0) said.push(states.COMPLIANT === undefined ? text.none : text.compliant);
  return text.cell(nameOf(day), said.join(', '));
}

/**
 * The window on the timeline: the violations of that day from before the first began to
 * after the last ended, else the day.
 */
export function windowOf({ day, violations }: Pick<Cell, 'day' | 'violations'>): {
  from: string;
  to: string;
  at?: string;
} {
  const [first] = violations;
  if (first === undefined) return { from: iso(day.from), to: iso(day.to) };
  const starts = violations.map(({ startedAt }) => Date.parse(startedAt));
  const ends = violations.map(({ endedAt }) => endOf(endedAt, day));
  const from = Math.min(...starts);
  const to = Math.max(...ends);
  const room = Math.max(10 * 60_000, (to - from) * 0.2);
  return { from: iso(from - room), to: iso(to + room), at: first.startedAt };
}

const iso = (at: number) => new Date(at).toISOString();
