/** Words of the coverage band and of what restoring to a point means. */
import type { DrillMark, RepositoryCoverage } from '../../api/queries/coverage';
import type { Schemas } from '../../api/client';

const kinds: Record<Schemas['BackupKind'], string> = {
  full: 'Full backup',
  incremental: 'Incremental',
  logical: 'Dump',
};
const states: Record<Schemas['BackupState'], string> = {
  running: 'running',
  available: 'available',
  failed: 'failed',
  condemned: 'to be deleted',
  deleted: 'deleted',
};
const roles: Record<RepositoryCoverage['role'], string> = {
  original: 'original',
  copy: 'copy',
  left: 'no longer used',
};
const verdicts: Record<DrillMark['verdict'], string> = {
  passed: 'Drill passed',
  failed: 'Drill failed',
  cancelled: 'Drill cancelled',
};
const causes: Record<string, string> = {
  expired: 'expired by the policy',
  another_lineage: 'another server began here',
  no_wal: 'no WAL is kept, only backups',
};

const many = (count: string, one: string, more: string) =>
  count === '1' ? `1 ${one}` : `${count} ${more}`;

export const coverage = {
  title: 'Coverage',
  about: 'Every moment you can restore to, and every hole. Drag the line, or use the arrow keys.',
  kinds,
  states,
  roles,
  verdicts,
  cause: (code: string | null | undefined) =>
    code == null ? 'cause unknown' : (causes[code] ?? code.replaceAll('_', ' ')),
  ranges: {
    '1h': '1 h',
    '6h': '6 h',
    '1d': '1 d',
    '7d': '7 d',
    '30d': '30 d',
    all: 'All',
  },
  toolbar: {
    region: 'Time shown',
    earlier: 'Earlier',
    later: 'Later',
    zoomIn: 'Zoom in',
    zoomOut: 'Zoom out',
    shown: (from: string, to: string) => `${from} to ${to}`,
  },
  lanes: {
    violations: 'Above the RPO',
    violationsNone: 'never in this time',
    violationsHidden: 'not on record, or not for you to see',
    violationsCount: (count: string) => many(count, 'time', 'times'),
    drills: 'Drills',
    drillsNone: 'none in this time',
    drillsHidden: 'not for you to see',
    drillsCount: (passed: string, failed: string) =>
      failed === '0' ? `${passed} passed` : `${passed} passed, ${failed} failed`,
    nothing: 'nothing in it yet',
    window: 'Restorable',
    frontier: 'proved to',
    gaps: (count: string) => many(count, 'gap', 'gaps'),
    noGap: 'no gap',
    joined: (resolution: string) => `gaps under ${resolution} are not drawn`,
  },
  timeline: (timeline: number) => `timeline ${timeline}`,
  gap: 'gap',
  openGap: 'gap, still open',
  lane: (
    repository: string,
    role: string,
    said: { from: string; to: string; gaps: string; backups: string } | undefined,
  ) =>
    said === undefined
      ? `${repository}, ${role}: nothing can be restored from it`
      : `${repository}, ${role}: restorable from ${said.from} to ${said.to}, ${many(said.gaps, 'gap', 'gaps')}, ${many(said.backups, 'backup', 'backups')}`,
  violationsLane: (count: string) => `Above the RPO: ${many(count, 'time', 'times')}`,
  drillsLane: (passed: string, failed: string) => `Drills: ${passed} passed, ${failed} failed`,
  unproved: 'not proved yet',
  legend: {
    title: 'Legend',
    covered: 'any moment of it can be restored',
    another: 'the same, on another timeline',
    hole: 'a gap: cannot be restored',
    expected: 'gone as intended',
    full: 'full backup',
    incremental: 'incremental',
    logical: 'dump',
    failed: 'failed',
    held: 'held',
    verified: 'proved by a drill',
    violation: 'exposure above the RPO',
  },
  tip: {
    backups: (count: string) => `${count} backups here`,
    held: (by: string, reason: string) => `Held by ${by}: ${reason}`,
    verified: 'A drill restored it',
    size: 'database',
    added: 'stored',
    highest: 'highest exposure',
    rto: 'took',
    missing: 'WAL missing from',
    openViolation: 'not over',
    everything: 'everything',
  },
  leftOut: (count: string) =>
    `${count} marks are not drawn, for there are too many: zoom in, or see the lists.`,
  cursor: {
    name: 'Point to restore to',
    keys: 'Left and right move it; with Shift farther. Page up and page down jump to the next backup or edge. Plus and minus zoom.',
    text: (time: string, place: string) => `${time}, ${place}`,
  },
  places: {
    covered: 'restorable',
    hole: 'in a gap',
    before: 'not restorable',
    after: 'not proved yet',
    nothing: 'nothing to restore',
  },
  point: {
    title: 'Restoring there',
    latest: 'The latest moment',
    now: 'As late as possible',
    time: 'Point in time',
    possible: 'Can be restored',
    impossible: 'Cannot be restored',
    asking: 'Asking…',
    restore: 'Restore to this point',
    toLatest: 'To the latest',
    previous: 'Earlier backup or edge',
    next: 'Later backup or edge',
    base: 'Starts from',
    consistent: 'consistent',
    wal: 'WAL to replay',
    walMost: (bytes: string) => `at most ${bytes}`,
    noWal: 'none: the backup itself',
    recoversTo: 'Every commit until',
    loss: 'Loses, of what is committed until now',
    givesUp: 'Gives up, of what could be had',
    duration: 'Would take about',
    rates: (copy: string) => `at ${copy}/s, as the newest restores`,
    unknown: {
      no_restore_measured: 'not known: no restore was measured yet',
      no_replay_measured: 'not known: no replay of WAL was measured yet',
      size_unknown: 'not known: the size of the backup is not',
    } as Record<string, string>,
    unknownOther: 'not known',
    proven: (rto: string) => `A drill proved ${rto}`,
    notProven: {
      no_drill: 'No drill proves it',
      drill_failed: 'The newest drill failed',
      drill_too_old: 'The newest proof is too old',
    } as Record<string, string>,
    from: 'from',
    others: 'Also from',
    before: 'The last moment before it that can be restored',
    after: 'The first one after it',
    goThere: 'Go there',
    dryAbout: 'Nothing happens yet: the next page plans it and asks.',
  },
  table: {
    title: 'As a table',
    caption: 'What the band shows, the newest first',
    what: 'What',
    where: 'Repository',
    from: 'From',
    to: 'To',
    more: 'More',
    covered: 'Restorable',
    gap: 'Gap',
    left: (count: string) => `The newest ${count} are shown: zoom in for others.`,
  },
  empty: {
    title: 'Nothing to restore yet',
    about:
      'The band begins with the first backup. Take one now; once its WAL is streamed, every moment since is here.',
  },
};
