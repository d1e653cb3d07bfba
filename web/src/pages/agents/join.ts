/** What a host needs to know to let an agent in: the address, and whose CA is meant. */
import type { Node } from '../../api/queries/nodes';

/** The gRPC address of the leader, else of any node that can be reached, else a guess. */
export function serverOf(nodes: readonly Node[], host: string): string {
  const fit = nodes.filter(({ addresses }) => addresses !== null && addresses !== undefined);
  const chosen =
    fit.find(({ role }) => role === 'leader') ??
    fit.find(({ reachable }) => reachable === true) ??
    fit[0];
  return `https://${chosen?.addresses?.grpc ?? `${host}:8443`}`;
}

/** `hfj1.<id>.<secret>.<CA sha256>` */
export function caOf(token: string): string | undefined {
  const parts = token.split('.');
  return parts.length === 4 && parts[0] === 'hfj1' ? parts[3] : undefined;
}
