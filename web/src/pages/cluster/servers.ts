/** Servers of a cluster as their agents last saw them, in a form that is easy to show. */
import type { ClusterResource, Instance } from '../../api/queries/cluster-parts';
import type { Schemas } from '../../api/client';

export interface Server {
  agent: string | undefined;
  observedAt: string;
  facts: Schemas['ServerFacts'] | undefined;
  unreachable: Schemas['Failure'] | undefined;
  slotTrouble: Schemas['Failure'] | undefined;
  patroni: Schemas['PatroniFacts'] | undefined;
}

export function serversOf(resource: ClusterResource): Server[] {
  const { status } = resource;
  const instances: Instance[] = 'instances' in status ? status.instances : [];
  return instances.map((instance) => ({
    agent: instance.agent ?? undefined,
    observedAt: instance.observedAt,
    facts: 'reachable' in instance ? instance.reachable : undefined,
    unreachable: 'unreachable' in instance ? instance.unreachable : undefined,
    slotTrouble: instance.slotTrouble ?? undefined,
    patroni: instance.patroni ?? undefined,
  }));
}

/** `170002` is 17.2. */
export function versionOf(serverVersion: number): string {
  return `${Math.floor(serverVersion / 10_000)}.${serverVersion % 10_000}`;
}
