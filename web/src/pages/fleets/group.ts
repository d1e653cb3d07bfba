/** Clusters by fleet: pure. */
import type { Cluster } from '../../api/queries/clusters';
import type { Exposure } from '../../api/queries/exposure';
import { heightOf, type Verdicts } from '../overview/truth';

export interface FleetRow {
  name: string;
  /** Undefined for one that clusters name and nobody declared. */
  document: Cluster | undefined;
  exposures: Exposure[];
  verdicts: Verdicts;
  worst: Exposure | undefined;
}

export function fleetRows(fleets: readonly Cluster[], exposures: readonly Exposure[]): FleetRow[] {
  const rows = new Map<string, FleetRow>();
  const rowOf = (name: string) => {
    const known = rows.get(name);
    if (known !== undefined) return known;
    const made = { name, document: undefined, exposures: [], verdicts: {}, worst: undefined };
    rows.set(name, made);
    return made as FleetRow;
  };
  for (const document of fleets) rowOf(document.metadata.name).document = document;
  for (const exposure of exposures) {
    const row = rowOf(exposure.fleet);
    row.exposures.push(exposure);
    if (exposure.status != null) {
      row.verdicts[exposure.status] = (row.verdicts[exposure.status] ?? 0) + 1;
    }
    if (row.worst === undefined || heightOf(exposure) > heightOf(row.worst)) row.worst = exposure;
  }
  return [...rows.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** How many clusters each policy is in force for; those without one last. */
export function byPolicy(
  clusters: readonly Cluster[],
): [policy: string | undefined, count: number][] {
  const counts = new Map<string | undefined, number>();
  for (const { status } of clusters) {
    const policy = ('policy' in status ? status.policy : undefined) ?? undefined;
    counts.set(policy, (counts.get(policy) ?? 0) + 1);
  }
  return [...counts].toSorted(([a, countA], [b, countB]) =>
    a === undefined ? 1 : b === undefined ? -1 : countB - countA,
  );
}

export function descriptionOf(document: Cluster | undefined): string | undefined {
  const spec: unknown = document?.spec;
  if (typeof spec !== 'object' || spec === null || !('description' in spec)) return undefined;
  return typeof spec.description === 'string' ? spec.description : undefined;
}
