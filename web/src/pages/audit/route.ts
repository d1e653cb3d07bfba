import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { z } from 'zod';
import { audit } from '../../api/queries/audit';
import { frameRoute } from '../../frame/route';
import { text } from '../../search/search';
import { words } from '../../words';

const search = z.object({
  principal: text(),
  action: text(),
  target: text(),
  since: text(),
  until: text(),
  /** The entry that is open beside the list. */
  entry: z.number().int().positive().optional().catch(undefined),
});
export type AuditSearch = z.infer<typeof search>;

export const filtersOf = ({ principal, action, target, since, until }: AuditSearch) => ({
  principal,
  action,
  target,
  since: momentOf(since),
  until: momentOf(until),
});

/** What a field for local times says, as the API takes it. */
function momentOf(value: string | undefined): string | undefined {
  const at = value === undefined ? Number.NaN : Date.parse(value);
  return Number.isNaN(at) ? undefined : new Date(at).toISOString();
}

export const auditRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: '/audit',
  staticData: { crumb: words.audit.title },
  validateSearch: search,
  loaderDeps: ({ search }) => filtersOf(search),
  loader: ({ context: { queryClient }, deps }) => {
    void queryClient.prefetchInfiniteQuery(audit.list(deps));
  },
  component: lazyRouteComponent(() => import('./AuditPage'), 'AuditPage'),
});
