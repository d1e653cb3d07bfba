/** Where everything of a lane is drawn: pure, in pixels. */
import type {
  BackupMark,
  DrillMark,
  Hole,
  RepositoryCoverage,
  Stretch,
} from '../../../api/queries/coverage';
import type { TimeScale } from '../../../charts/scale';

/** Narrower is not seen: a gap of a second matters in a month. */
const NARROWEST = 3;
/** Marks that are nearer than this are one. */
const APART = 11;

export interface Box {
  x: number;
  width: number;
}

export interface StretchBox extends Box {
  stretch: Stretch;
  /** Timelines that follow each other differ. */
  shade: 0 | 1;
  /** Whether a timeline begins with it. */
  switches: boolean;
  /** Whether it says which timeline it is: where that changes, and where it begins. */
  named: boolean;
}

export interface HoleBox extends Box {
  hole: Hole;
  /** Lost to expiry or to another server, which is in order. */
  expected: boolean;
  open: boolean;
  roomy: boolean;
}

const EXPECTED = new Set(['expired', 'another_lineage', 'no_wal']);

export function stretchBoxes({ stretches }: RepositoryCoverage, scale: TimeScale): StretchBox[] {
  let last: Stretch | undefined;
  return stretches.flatMap((stretch) => {
    const box = boxOf(scale, Date.parse(stretch.from), Date.parse(stretch.to));
    if (box === undefined) return [];
    const another = last?.timeline !== stretch.timeline || last.lineage !== stretch.lineage;
    const switches = another && last !== undefined;
    last = stretch;
    // By its number, so that a copy has the colours of its original.
    const shade = stretch.timeline % 2 === 0 ? 1 : 0;
    return [{ ...box, stretch, shade, switches, named: another && (switches || box.width > 80) }];
  });
}

export function holeBoxes({ holes }: RepositoryCoverage, scale: TimeScale): HoleBox[] {
  return holes.flatMap((hole) => {
    const box = boxOf(scale, Date.parse(hole.from), hole.to ? Date.parse(hole.to) : scale.to);
    if (box === undefined) return [];
    const open = hole.to === null || hole.to === undefined;
    const expected = hole.cause != null && EXPECTED.has(hole.cause);
    return [{ ...box, hole, expected, open, roomy: box.width > 64 }];
  });
}

/** From a moment to another, as far as it is shown; undefined when nothing of it is. */
export function boxOf(scale: TimeScale, from: number, to: number): Box | undefined {
  if (to < scale.from || from > scale.to) return undefined;
  const x = scale.x(Math.max(from, scale.from));
  const width = Math.max(NARROWEST, scale.x(Math.min(to, scale.to)) - x);
  return { x: Math.min(x, Math.max(0, scale.x(scale.to) - width)), width };
}

export interface BackupGroup {
  x: number;
  /** The one that is drawn: the most telling. */
  first: BackupMark;
  marks: BackupMark[];
  held: boolean;
  verified: boolean;
}

/** A backup stands where its data was consistent; one that runs, at its beginning. */
export function standsAt({ finishedAt, startedAt }: BackupMark): string {
  return finishedAt ?? startedAt;
}

export function backupGroups(
  backups: readonly BackupMark[],
  repository: string,
  /** It also has those that came to be in no repository. */
  first: boolean,
  scale: TimeScale,
): BackupGroup[] {
  const here = backups
    .filter(
      ({ repositories }) =>
        repositories.includes(repository) || (first && repositories.length === 0),
    )
    .map((mark) => ({ mark, at: Date.parse(standsAt(mark)) }))
    .filter(({ at }) => at >= scale.from && at <= scale.to)
    .toSorted((a, b) => a.at - b.at);
  const groups: { x: number; end: number; marks: BackupMark[] }[] = [];
  for (const { mark, at } of here) {
    const x = scale.x(at);
    const last = groups.at(-1);
    if (last !== undefined && x - last.x < APART) {
      last.marks.push(mark);
      last.end = x;
    } else {
      groups.push({ x, end: x, marks: [mark] });
    }
  }
  return groups.map(({ marks }) => {
    const first = marks.reduce((best, each) => (telling(each) > telling(best) ? each : best));
    return {
      x: scale.x(Date.parse(standsAt(first))),
      first,
      marks,
      held: marks.some(({ hold }) => hold != null),
      verified: marks.some(({ verifiedBy }) => verifiedBy != null),
    };
  });
}

function telling({ state, kind }: BackupMark): number {
  if (state === 'running') return 5;
  if (state === 'failed') return 4;
  return kind === 'full' ? 3 : kind === 'incremental' ? 2 : 1;
}

export interface DrillGroup {
  x: number;
  drills: DrillMark[];
  verdict: DrillMark['verdict'];
}

export function drillGroups(drills: readonly DrillMark[], scale: TimeScale): DrillGroup[] {
  const groups: DrillGroup[] = [];
  const byTime = drills.toSorted((a, b) => Date.parse(a.finishedAt) - Date.parse(b.finishedAt));
  for (const drill of byTime) {
    const at = Date.parse(drill.finishedAt);
    if (at < scale.from || at > scale.to) continue;
    const x = scale.x(at);
    const last = groups.at(-1);
    if (last !== undefined && x - last.x < APART + 4) {
      last.drills.push(drill);
      if (drill.verdict === 'failed') last.verdict = 'failed';
    } else {
      groups.push({ x, drills: [drill], verdict: drill.verdict });
    }
  }
  return groups;
}

/** The nearest within reach of a finger or a pointer. */
export function nearestWithin<T extends { x: number }>(
  groups: readonly T[],
  x: number,
  reach: number,
): T | undefined {
  let best: T | undefined;
  for (const group of groups) {
    const far = Math.abs(group.x - x);
    if (far <= reach && (best === undefined || far < Math.abs(best.x - x))) best = group;
  }
  return best;
}
