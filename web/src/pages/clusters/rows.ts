/** Rows of the list: what is declared of a cluster, and what it would lose now. */
import type { Cluster } from '../../api/queries/clusters';
import type { Exposure } from '../../api/queries/exposure';
import type { Verdict } from '../../words/en/clusters';
import type { ClusterSearch } from './route';

export interface ClusterRow {
  name: string;
  fleet: string;
  labels: readonly (readonly [string, string])[];
  policy: string | undefined;
  /** Undefined until its exposure was read. */
  verdict: Verdict | undefined;
  exposure: Exposure | undefined;
}

/** The worst first, where verdicts are sorted. */
export const BADNESS: Record<Verdict, number> = {
  VIOLATED: 0,
  UNPROTECTED: 1,
  UNKNOWN: 2,
  AT_RISK: 3,
  NONE: 4,
  EXEMPT: 5,
  COMPLIANT: 6,
  RETIRED: 7,
};

export function rowsOf(
  clusters: readonly Cluster[],
  exposures: readonly Exposure[],
  exposuresComplete: boolean,
): ClusterRow[] {
  const byName = new Map(exposures.map((exposure) => [exposure.cluster, exposure]));
  return clusters.map(({ metadata, status }) => {
    const exposure = byName.get(metadata.name);
    const known = exposure !== undefined || exposuresComplete;
    return {
      name: metadata.name,
      fleet: metadata.fleet ?? 'default',
      labels: Object.entries(metadata.labels ?? {}),
      policy: ('policy' in status ? status.policy : undefined) ?? undefined,
      verdict: verdictOf('retired' in status && status.retired, exposure, known),
      exposure,
    };
  });
}

function verdictOf(
  retired: boolean,
  exposure: Exposure | undefined,
  known: boolean,
): Verdict | undefined {
  if (retired) return 'RETIRED';
  if (!known) return undefined;
  return exposure?.status ?? 'NONE';
}

/** Name, state, policy and proof are filtered here; the API filters the rest. */
export function matching(rows: readonly ClusterRow[], search: ClusterSearch): ClusterRow[] {
  const { q, state, policy, proof } = search;
  const sought = q?.trim().toLowerCase() ?? '';
  return rows.filter(
    (row) =>
      row.name.toLowerCase().includes(sought) &&
      (state === undefined || row.verdict === state) &&
      (policy === undefined || row.policy === policy) &&
      (proof === undefined || proofOf(row.exposure) === proof),
  );
}

/** What drills prove of it; undefined while nothing is known of its exposure. */
export function proofOf(exposure: Exposure | undefined): ClusterSearch['proof'] {
  if (exposure === undefined) return undefined;
  const { proof } = exposure;
  return proof == null ? 'unknown' : proof.proven ? 'proven' : (proof.because ?? 'unknown');
}

/** Policies that are in force somewhere, by name. */
export function policiesOf(rows: readonly ClusterRow[]): string[] {
  const names = new Set(rows.flatMap(({ policy }) => (policy === undefined ? [] : [policy])));
  return [...names].toSorted();
}
