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

const planUnder = { text: words.drills.title, href: '/drills?view=plans' };
const planSearch = z.object({ view: choice(['form', 'yaml', 'both']) });

export const planRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: '/drills/plans/$plan',
  staticData: { under: planUnder, crumb: ({ plan }) => plan ?? '' },
  validateSearch: planSearch,
  loader: ({ context: { queryClient }, params }) => {
    void queryClient.prefetchQuery(drills.plan(params.plan));
  },
  component: lazyRouteComponent(() => import('./plan/PlanPage'), 'PlanPage'),
});

export const planNewRoute = createRoute({
  getParentRoute: () => frameRoute,
  // Not below /drills/plans: a plan may be called anything.
  path: '/new/drill-plan',
  staticData: { under: planUnder, crumb: words.drills.plan.newTitle },
  validateSearch: planSearch,
  component: lazyRouteComponent(() => import('./plan/NewPlanPage'), 'NewPlanPage'),
});
