/** A policy in a few words, as lists and cards tell it. */
import type { Cluster } from '../../api/queries/clusters';
import type { Policy, PolicySpec } from '../../api/queries/policies';
import { cronSaid } from '../../format/cron';
import { words } from '../../words';

const text = words.policies.facts;
/** From the newest to the oldest that they keep. */
const BUCKETS = ['last', 'daily', 'weekly', 'monthly', 'yearly'] as const;

/** The API gives the spec of a resource as it was written; a policy's is this. */
export const specOf = (policy: Policy): PolicySpec => policy.spec as unknown as PolicySpec;

export function selectorOf(spec: PolicySpec): string[] {
  return Object.entries(spec.selector).map(([key, value]) => `${key}=${value}`);
}

export function keepsOf({ retention }: PolicySpec): string {
  const keep = retention?.keep ?? undefined;
  const parts = BUCKETS.flatMap((bucket) => {
    const many = keep?.[bucket];
    return typeof many === 'number' ? [text.kept[bucket](many)] : [];
  });
  return parts.length === 0 ? text.everything : parts.join(', ');
}

export function contractOf(policy: Policy): string | undefined {
  const { contract } = policy.status;
  return contract == null ? undefined : cronSaid(contract);
}

/** How many clusters each policy is in force for. */
export function clustersBy(clusters: readonly Cluster[]): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const { metadata, status } of clusters) {
    const policy = 'policy' in status ? status.policy : undefined;
    if (policy === undefined || policy === null) continue;
    const names = found.get(policy) ?? [];
    names.push(metadata.name);
    found.set(policy, names);
  }
  return found;
}
