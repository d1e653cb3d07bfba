/**
 * What the band itself says of a moment, at once, before the API is asked: and the
 * moments worth jumping to.
 */
import type {
  BackupMark,
  ClusterCoverage,
  Hole,
  RepositoryCoverage,
} from '../../../api/queries/coverage';

/** A moment, with the exact words of the API where it has them. */
export interface Moment {
  at: number;
  iso: string;
}

export const moment = (iso: string): Moment => ({ at: Date.parse(iso), iso });

/** A moment that was pointed at is no finer than what one can point at. */
export function pointedAt(at: number, millisecondsAPixel: number): Moment {
  const grain = millisecondsAPixel > 500 ? 1000 : 1;
  const round = Math.round(at / grain) * grain;
  return { at: round, iso: new Date(round).toISOString() };
}

export interface Here {
  /** Repositories from which it can be restored. */
  from: string[];
  /** The backup that the first of them would begin with. */
  backup: BackupMark | undefined;
  /** Why not, where a hole says so. */
  hole: Hole | undefined;
  place: 'covered' | 'hole' | 'before' | 'after' | 'nothing';
}

export function whatIsAt({ repositories, backups }: ClusterCoverage, at: number): Here {
  const from = repositories.filter((one) => covers(one, at)).map(({ repository }) => repository);
  const hole = repositories
    .flatMap(({ holes }) => holes)
    .find((each) => Date.parse(each.from) < at && at < endOf(each));
  const ends = repositories.flatMap(({ windowEnd }) => (windowEnd ? [Date.parse(windowEnd)] : []));
  const base = (name: string) =>
    backups.findLast(
      (one) => one.repositories.includes(name) && isBase(one) && consistentAt(one) <= at,
    );
  const [first] = from;
  return {
    from,
    backup: first === undefined ? undefined : base(first),
    hole: from.length > 0 ? undefined : hole,
    place: placeOf(from.length > 0, hole !== undefined, ends, at),
  };
}

function placeOf(covered: boolean, hole: boolean, ends: number[], at: number): Here['place'] {
  if (covered) return 'covered';
  if (ends.length === 0) return 'nothing';
  if (ends.every((end) => at > end)) return 'after';
  return hole ? 'hole' : 'before';
}

function covers({ stretches }: RepositoryCoverage, at: number): boolean {
  return stretches.some(({ from, to }) => Date.parse(from) <= at && at <= Date.parse(to));
}

/** A dump leads to its own moment and no other. */
function isBase({ kind, state }: BackupMark): boolean {
  return state === 'available' && kind !== 'logical';
}

function consistentAt({ finishedAt }: BackupMark): number {
  return finishedAt ? Date.parse(finishedAt) : Number.POSITIVE_INFINITY;
}

const endOf = ({ to }: Hole) => (to ? Date.parse(to) : Number.POSITIVE_INFINITY);

/** Where something begins, ends or is: what PageUp and PageDown go through. */
export function landmarks({ repositories, backups }: ClusterCoverage): Moment[] {
  const all = [
    ...backups.filter(isBase).flatMap(({ finishedAt }) => (finishedAt ? [finishedAt] : [])),
    ...repositories.flatMap(({ stretches }) => stretches.flatMap(({ from, to }) => [from, to])),
    ...repositories.flatMap(({ windowEnd }) => (windowEnd ? [windowEnd] : [])),
  ];
  return [...new Set(all)].map(moment).toSorted((a, b) => a.at - b.at);
}

export function nextLandmark(all: readonly Moment[], at: number): Moment | undefined {
  return all.find((each) => each.at > at);
}

export function previousLandmark(all: readonly Moment[], at: number): Moment | undefined {
  return all.findLast((each) => each.at < at);
}
