import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { z } from 'zod';
import { clusters } from '../../api/queries/clusters';
import { exposure } from '../../api/queries/exposure';
import { frameRoute } from '../../frame/route';
import { choice, flag, sortBy, text } from '../../search/search';
import { words } from '../../words';

export const STATES = [
  'VIOLATED',
  'UNPROTECTED',
  'UNKNOWN',
  'AT_RISK',
  'COMPLIANT',
  'EXEMPT',
  'NONE',
] as const;

export const PROOFS = ['proven', 'drill_too_old', 'no_drill', 'drill_failed', 'unknown'] as const;

const search = z.object({
  q: text(),
  state: choice(STATES),
  fleet: text(),
  label: text(),
  policy: text(),
  proof: choice(PROOFS),
  retired: flag(),
  sort: sortBy(['name', 'state', 'exposure', 'window', 'policy', 'fleet']),
});
export type ClusterSearch = z.infer<typeof search>;

export const clustersRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: '/clusters',
  staticData: { crumb: words.clusters.title },
  validateSearch: search,
  loaderDeps: ({ search: { fleet, label, retired } }) => ({ fleet, label, retired }),
  // Begun, not waited for: the page shows its skeleton at once.
  loader: ({ context: { queryClient }, deps }) => {
    void queryClient.prefetchInfiniteQuery(clusters.list(deps));
    void queryClient.prefetchInfiniteQuery(exposure.list({ fleet: deps.fleet }));
  },
  component: lazyRouteComponent(() => import('./ClustersPage'), 'ClustersPage'),
});
