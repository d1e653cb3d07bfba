import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { z } from 'zod';
import { drills } from '../../api/queries/drills';
import { frameRoute } from '../../frame/route';
import { choice, sortBy, text } from '../../search/search';
import { words } from '../../words';
import { shortId } from '../../format/ids';

export const VERDICTS = ['passed', 'failed', 'cancelled'] as const;

const search = z.object({
  view: choice(['results', 'proof', 'plans']),
  cluster: text(),
  verdict: choice(VERDICTS),
  sort: sortBy(['cluster', 'proof', 'drilled', 'rto']),
});
export type DrillSearch = z.infer<typeof search>;

export const drillsRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: '/drills',
  staticData: { crumb: words.drills.title },
  validateSearch: search,
  component: lazyRouteComponent(() => import('./DrillsPage'), 'DrillsPage'),
});

export const drillRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: '/drills/$drill',
  staticData: {
    under: { text: words.drills.title, href: '/drills' },
    crumb: ({ drill }) => shortId(drill ?? ''),
  },
  loader: ({ context: { queryClient }, params }) => {
    void queryClient.prefetchQuery(drills.detail(params.drill));
  },
  component: lazyRouteComponent(() => import('./DrillPage'), 'DrillPage'),
});
