/**
 * Servers as people count them. Each agent tells what it sees, so that a host with three
 * agents has every server three times. One is known again by its system identifier, its
 * data directory and its port together: without the first, nothing is merged.
 */
import type { Unprotected } from '../../api/queries/overview';

export interface Found {
  /** What the first agent said; the others said the same. */
  row: Unprotected;
  /** One of each agent, in the API's order. */
  by: readonly Unprotected[];
}

export function foundOf(rows: readonly Unprotected[]): Found[] {
  const found = new Map<string, { row: Unprotected; by: Unprotected[] }>();
  for (const row of rows) {
    const key = keyOf(row);
    const known = found.get(key);
    if (known === undefined) found.set(key, { row, by: [row] });
    else known.by.push(row);
  }
  return [...found.values()];
}

export function keyOf({ agent, cluster, instance, reason, ignored }: Unprotected): string {
  const directory = instance?.dataDirectory ?? '';
  const server =
    instance?.systemIdentifier != null && reason === 'not_declared'
      ? [instance.systemIdentifier, instance.port ?? '', ignored == null]
      : [agent];
  return [reason, cluster ?? '', directory, ...server].join('\n');
}

/** Servers that nobody declared, where the list is whole; else what was counted. */
export function countOf(rows: readonly Unprotected[], whole: boolean, counted: number): number {
  if (!whole) return counted;
  return foundOf(rows.filter(({ reason }) => reason === 'not_declared')).length;
}
