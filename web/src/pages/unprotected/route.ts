import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { z } from 'zod';
import { unprotected } from '../../api/queries/unprotected';
import { frameRoute } from '../../frame/route';
import { flag } from '../../search/search';
import { words } from '../../words';

export const unprotectedRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: '/unprotected',
  staticData: { crumb: words.unprotected.title },
  validateSearch: z.object({ ignored: flag() }),
  loaderDeps: ({ search: { ignored } }) => ({ ignored }),
  loader: ({ context: { queryClient }, deps }) => {
    void queryClient.prefetchInfiniteQuery(unprotected.list(deps));
  },
  component: lazyRouteComponent(() => import('./UnprotectedPage'), 'UnprotectedPage'),
});
