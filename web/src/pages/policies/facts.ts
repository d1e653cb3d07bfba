/** A policy in a few words, as lists and cards tell it. */
import type { Cluster } from '../../api/queries/clusters';
import type { Policy, PolicySpec } from '../../api/queries/policies';
import { words } from '../../words';

const text = words.policies.facts;

/** The API gives the spec of a resource as it was written; a policy's is this. */
export const specOf = (policy: Policy): PolicySpec => policy.spec as unknown as PolicySpec;

export function selectorOf(spec: PolicySpec): string[] {
  return Object.entries(spec.selector).map(([key, value]) => `${key}=${value}`);
}

export function keepsOf({ retention }: PolicySpec): string {
  const keep = retention?.keep ?? undefined;
  const parts = Object.entries(keep ?? {})
    .filter(([, many]) => typeof many === 'number')
    .map(([bucket, many]) => `${many} ${bucket}`);
  return parts.length === 0 ? text.everything : parts.join(', ');
}

export function contractOf(policy: Policy): string | undefined {
  return policy.status.contract ?? undefined;
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
