/** What a request is about, in words; and what it would change: pure. */
import type { Approval } from '../../api/queries/approvals';
import { words } from '../../words';

export function actionWords(action: string): string {
  return words.approvals.actions[action] ?? action.replaceAll('_', ' ');
}

export interface DocumentAfter {
  kind: string;
  name: string;
  document: { metadata: unknown; spec: unknown };
}

interface Applied {
  document?: { kind?: string; metadata?: { name?: string }; spec?: unknown };
}

/** The documents that a request would apply. */
export function documentsOf({ command }: { command: unknown }): DocumentAfter[] {
  const apply = (command as { apply_documents?: { documents?: Applied[] } }).apply_documents;
  return (apply?.documents ?? []).flatMap(({ document }) => {
    const { kind, metadata, spec } = document ?? {};
    if (kind === undefined || metadata?.name === undefined) return [];
    return [{ kind, name: metadata.name, document: { metadata, spec } }];
  });
}

/** Where the document of a kind is read. */
const PLURALS: Record<string, string> = {
  Repository: 'repositories',
  Fleet: 'fleets',
  Cluster: 'clusters',
  Policy: 'policies',
  DrillPlan: 'drill-plans',
  RoleBinding: 'role-bindings',
  NotificationChannel: 'notification-channels',
};

export function pathOf({ kind, name }: DocumentAfter): string | undefined {
  const plural = PLURALS[kind];
  return plural === undefined ? undefined : `/api/v1/${plural}/${encodeURIComponent(name)}`;
}

/** Whether whoever is logged in asked for it, by the name of the user or of the caller. */
export function isMine(
  { requestedBy }: Pick<Approval, 'requestedBy'>,
  me: { principal: string; user: string } | undefined,
): boolean {
  return me !== undefined && (requestedBy === me.principal || requestedBy === `user:${me.user}`);
}
