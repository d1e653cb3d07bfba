import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { exposure } from '../../api/queries/exposure';
import { fleets } from '../../api/queries/fleets';
import { frameRoute } from '../../frame/route';
import { words } from '../../words';

export const fleetsRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: '/fleets',
  staticData: { crumb: words.fleets.title },
  loader: ({ context: { queryClient } }) => {
    void queryClient.prefetchInfiniteQuery(fleets.list());
    void queryClient.prefetchInfiniteQuery(exposure.list());
  },
  component: lazyRouteComponent(() => import('./FleetsPage'), 'FleetsPage'),
});

export const fleetRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: '/fleets/$fleet',
  staticData: {
    crumb: ({ fleet }) => fleet ?? '',
    under: { text: words.fleets.title, href: '/fleets' },
  },
  loader: ({ context: { queryClient }, params: { fleet } }) => {
    void queryClient.prefetchInfiniteQuery(exposure.list({ fleet }));
  },
  component: lazyRouteComponent(() => import('./FleetPage'), 'FleetPage'),
});
