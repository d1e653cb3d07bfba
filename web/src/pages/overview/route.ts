import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { overview } from '../../api/queries/overview';
import { status } from '../../api/queries/status';
import { frameRoute } from '../../frame/route';
import { words } from '../../words';

export const overviewRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: '/',
  staticData: { crumb: words.overview.title },
  loader: ({ context: { queryClient } }) => {
    void queryClient.prefetchQuery(status.show());
    void queryClient.prefetchQuery(overview.unprotected());
    void queryClient.prefetchQuery(overview.violations());
    void queryClient.prefetchQuery(overview.work());
    void queryClient.prefetchQuery(overview.alarms());
    void queryClient.prefetchQuery(overview.worst());
  },
  component: lazyRouteComponent(() => import('./OverviewPage'), 'OverviewPage'),
});
