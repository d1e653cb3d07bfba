/** Which time the band shows: a length up to now, all there is, or from … to … of the URL. */
import type { ClusterCoverage, Span } from '../../../api/queries/coverage';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export const RANGES = ['1h', '6h', '1d', '7d', '30d', 'all'] as const;
export type Range = (typeof RANGES)[number];

const LENGTHS: Record<Range, number | undefined> = {
  '1h': HOUR,
  '6h': 6 * HOUR,
  '1d': DAY,
  '7d': 7 * DAY,
  '30d': 30 * DAY,
  all: undefined,
};

export interface RangeSearch {
  range?: Range | undefined;
  from?: string | undefined;
  to?: string | undefined;
}

export interface View {
  from: number;
  to: number;
}

/** Less cannot be told apart by a pixel or by a second. */
const SHORTEST = 20_000;
const LONGEST = 400 * DAY;

/** What to ask the API for. */
export function spanOf({ range, from, to }: RangeSearch): Span {
  if (from !== undefined && to !== undefined && Date.parse(from) < Date.parse(to)) {
    return { from, to };
  }
  return { last: LENGTHS[range ?? 'all'] };
}

/** What is drawn of the answer: exactly what was asked for, or all that there is. */
export function viewOf(span: Span, coverage: ClusterCoverage): View {
  if ('from' in span) return { from: Date.parse(span.from), to: Date.parse(span.to) };
  const to = Date.parse(coverage.asOf);
  if (span.last !== undefined) return { from: to - span.last, to };
  const begins = [
    ...coverage.repositories.flatMap(({ stretches, holes }) => [...stretches, ...holes]),
    ...(coverage.violations ?? []).map(({ startedAt }) => ({ from: startedAt })),
    ...coverage.backups.map(({ startedAt }) => ({ from: startedAt })),
  ].map(({ from }) => Date.parse(from));
  if (begins.length === 0) return { from: to - DAY, to };
  const first = begins.reduce((least, each) => Math.min(least, each), to - 5 * MINUTE);
  return { from: first - (to - first) * 0.015, to };
}

/** Nearer to `around`, which stays where it is, or farther away. */
export function zoom({ from, to }: View, factor: number, around: number, now: number): View {
  const length = Math.min(LONGEST, Math.max(SHORTEST, (to - from) * factor));
  const share = to > from ? (Math.min(to, Math.max(from, around)) - from) / (to - from) : 0.5;
  return within({ from: around - share * length, to: around + (1 - share) * length }, now);
}

/** Earlier or later by a share of what is shown. */
export function pan({ from, to }: View, share: number, now: number): View {
  const by = (to - from) * share;
  return within({ from: from + by, to: to + by }, now);
}

/** Nothing of the future is shown: there is nothing to restore. */
function within({ from, to }: View, now: number): View {
  const late = Math.max(0, to - now);
  return { from: Math.round(from - late), to: Math.round(to - late) };
}

export function searchOf({ from, to }: View): RangeSearch {
  return {
    range: undefined,
    from: new Date(from).toISOString(),
    to: new Date(to).toISOString(),
  };
}
