import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { z } from 'zod';
import { clusterParts } from '../../api/queries/cluster-parts';
import { clusters } from '../../api/queries/clusters';
import { coverage } from '../../api/queries/coverage';
import { frameRoute } from '../../frame/route';
import { choice, text } from '../../search/search';
import { words } from '../../words';
import { RANGES, spanOf } from './coverage/range';

export const TABS = ['backups', 'jobs', 'servers', 'policy', 'schedule', 'size'] as const;
export type ClusterTab = (typeof TABS)[number];

const time = () =>
  text()
    .refine((value) => value === undefined || !Number.isNaN(Date.parse(value)))
    .catch(undefined);

const search = z.object({
  tab: choice(TABS),
  range: choice(RANGES),
  from: time(),
  to: time(),
  at: time(),
});
export type ClusterSearch = z.infer<typeof search>;

export const clusterRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: '/clusters/$cluster',
  staticData: {
    crumb: ({ cluster }) => cluster ?? '',
    under: { text: words.clusters.title, href: '/clusters' },
  },
  validateSearch: search,
  loaderDeps: ({ search: { range, from, to } }) => ({ range, from, to }),
  loader: ({ context: { queryClient }, params: { cluster }, deps }) => {
    void queryClient.prefetchQuery(clusters.detail(cluster));
    void queryClient.prefetchQuery(coverage.band(cluster, spanOf(deps)));
    void queryClient.prefetchQuery(clusterParts.exposure(cluster));
  },
  component: lazyRouteComponent(() => import('./ClusterPage'), 'ClusterPage'),
});
