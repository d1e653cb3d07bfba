/** The point of a restore, as the API takes it and as people choose it: pure. */
import { parseLsn } from '../../format/lsn';
import { formatLocal } from '../../format/time';
import { words } from '../../words';

export const KINDS = ['latest', 'time', 'lsn', 'name', 'xid', 'backup', 'immediate'] as const;
export type PointKind = (typeof KINDS)[number];

export interface Point {
  kind: PointKind;
  /** What there is to say besides the kind. */
  value: string;
}

const PREFIXES = ['lsn', 'name', 'xid', 'backup'] as const;

export function readPoint(at: string): Point {
  if (at === 'latest' || at === 'immediate') return { kind: at, value: '' };
  const prefix = PREFIXES.find((each) => at.startsWith(`${each}:`));
  if (prefix !== undefined) return { kind: prefix, value: at.slice(prefix.length + 1) };
  return { kind: 'time', value: at };
}

export function writePoint({ kind, value }: Point): string {
  if (kind === 'latest' || kind === 'immediate') return kind;
  return kind === 'time' ? value : `${kind}:${value}`;
}

const text = words.wizard.point;

/** What is wrong with it; undefined when it can be asked for. */
export function wrongWith(at: string | undefined): string | undefined {
  if (at === undefined) return text.needPoint;
  const { kind, value } = readPoint(at);
  if (kind === 'latest' || kind === 'immediate') return undefined;
  if (value.trim() === '') return text.needPoint;
  if (kind === 'time') return Number.isNaN(Date.parse(value)) ? text.badTime : undefined;
  if (kind === 'lsn') return parseLsn(value) === undefined ? text.badLsn : undefined;
  if (kind === 'xid') return /^\d{1,20}$/.test(value) ? undefined : text.badXid;
  if (kind === 'backup') return /^bkp_[0-9a-f]{32}$/.test(value) ? undefined : text.badBackup;
  return undefined;
}

/** How people read it: a time in the zone of this browser. */
export function tellPoint(at: string): string {
  const { kind, value } = readPoint(at);
  if (kind === 'latest') return text.kinds.latest.toLowerCase();
  if (kind === 'immediate') return text.kinds.immediate.toLowerCase();
  if (kind !== 'time') return at;
  const date = new Date(value);
  return Number.isNaN(date.getTime()) ? value : formatLocal(date);
}

/** Those whose end has an edge to stop before. */
export function hasEdge(kind: PointKind): boolean {
  return kind === 'time' || kind === 'lsn' || kind === 'xid' || kind === 'name';
}

/** Those of which the catalog knows what they mean; for others the log has to be read. */
export function isOnRecord(kind: PointKind): boolean {
  return kind !== 'xid' && kind !== 'name';
}
