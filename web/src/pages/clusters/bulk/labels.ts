/** Labels as people type them, and documents with other labels: pure. */
import type { Cluster } from '../../../api/queries/clusters';
import type { Document } from '../../../api/queries/documents-dry';

const PAIR = /^([^=,\s]+)=([^=,\s]*)$/;

/** `tier=gold, team=a`; undefined when it is not that. */
export function readLabels(typed: string): Record<string, string> | undefined {
  const labels: Record<string, string> = {};
  for (const part of typed.split(/[,\s]+/).filter((each) => each !== '')) {
    const found = PAIR.exec(part);
    if (found === null) return undefined;
    labels[found[1] ?? ''] = found[2] ?? '';
  }
  return labels;
}

/** `tier, team`: what is taken away. */
export function readKeys(typed: string): string[] {
  return typed.split(/[,\s]+/).filter((each) => each !== '');
}

/** The documents that change, with their new labels; what stays as it is is left out. */
export function relabelled(
  clusters: readonly Cluster[],
  set: Readonly<Record<string, string>>,
  remove: readonly string[],
): Document[] {
  return clusters.flatMap(({ apiVersion, kind, metadata, spec }) => {
    const before = metadata.labels ?? {};
    const kept = Object.entries(before).filter(([key]) => !remove.includes(key));
    const labels = { ...Object.fromEntries(kept), ...set };
    if (same(before, labels)) return [];
    return [{ apiVersion, kind, metadata: { ...metadata, labels }, spec }];
  });
}

function same(a: Record<string, string>, b: Record<string, string>): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}
