/** What is said on hover of a mark; the table below the band says it to all. */
import type { DrillMark, Hole } from '../../../api/queries/coverage';
import type { Schemas } from '../../../api/client';
import { formatBytes, formatCount } from '../../../format/size';
import { formatDuration, formatLocal } from '../../../format/time';
import { words } from '../../../words';
import { standsAt, type BackupGroup } from './layout';

const text = words.coverage;

export interface Tip {
  title: string;
  lines: string[];
  /** On the screen. */
  x: number;
  y: number;
}

type Said = Pick<Tip, 'title' | 'lines'>;

export function tipOfBackups({ first, marks }: BackupGroup): Said {
  const title = `${text.kinds[first.kind]}, ${text.states[first.state]}`;
  const { hold, databaseBytes, addedBytes, verifiedBy, error } = first;
  const lines = [formatLocal(new Date(standsAt(first)))];
  if (databaseBytes != null) lines.push(`${formatBytes(databaseBytes)} ${text.tip.size}`);
  if (addedBytes != null) lines.push(`${formatBytes(addedBytes)} ${text.tip.added}`);
  if (verifiedBy != null) lines.push(text.tip.verified);
  if (hold != null) lines.push(text.tip.held(hold.by, hold.reason));
  if (error != null) lines.push(error.message);
  if (marks.length > 1) lines.push(text.tip.backups(formatCount(marks.length)));
  return { title, lines };
}

export function tipOfHole(hole: Hole): Said {
  const from = formatLocal(new Date(hole.from));
  const length = hole.to && formatDuration((Date.parse(hole.to) - Date.parse(hole.from)) / 1000);
  const lines = [text.cause(hole.cause), hole.to ? `${from}, ${length ?? ''}` : from];
  if (hole.fromLsn != null) lines.push(`${text.tip.missing} ${hole.fromLsn}`);
  return { title: hole.to ? text.gap : text.openGap, lines };
}

export function tipOfDrills(drills: readonly DrillMark[]): Said {
  const last = drills.at(-1);
  if (last === undefined) return { title: '', lines: [] };
  const lines = [formatLocal(new Date(last.finishedAt))];
  if (last.rtoSeconds != null) lines.push(`${text.tip.rto} ${formatDuration(last.rtoSeconds)}`);
  return { title: text.verdicts[last.verdict], lines };
}

export function tipOfViolation(violation: Schemas['Violation']): Said {
  const { highest, cause, startedAt, endedAt, seconds } = violation;
  const height =
    highest.unbounded || highest.seconds == null
      ? text.tip.everything
      : formatDuration(highest.seconds);
  const end = endedAt == null ? text.tip.openViolation : formatDuration(seconds);
  return {
    title: text.lanes.violations,
    lines: [
      text.cause(cause),
      `${formatLocal(new Date(startedAt))}, ${end}`,
      `${text.tip.highest} ${height}`,
    ],
  };
}
