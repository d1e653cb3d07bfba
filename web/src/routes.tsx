/** The one route tree. A page brings its own route; it is listed here. */
import { createRouter } from '@tanstack/react-router';
import { queryClient } from './api/query-client';
import { rootRoute } from './frame/root';
import { frameRoute } from './frame/route';
import { administrationRoute } from './pages/administration/route';
import { agentRoute, agentsRoute } from './pages/agents/route';
import { alarmsRoute } from './pages/alarms/route';
import { auditRoute } from './pages/audit/route';
import { clustersRoute } from './pages/clusters/route';
import { loginRoute } from './pages/login/route';
import { placeholder } from './pages/missing/placeholder';
import {
  policiesRoute,
  policyEditRoute,
  policyNewRoute,
  policyRoute,
} from './pages/policies/route';
import { reportsRoute } from './pages/reports/route';
import { repositoriesRoute, repositoryRoute } from './pages/repositories/route';
import { words } from './words';

const { pages } = words.frame;

const routeTree = rootRoute.addChildren([
  loginRoute,
  frameRoute.addChildren([
    clustersRoute,
    policiesRoute,
    policyNewRoute,
    policyRoute,
    policyEditRoute,
    repositoriesRoute,
    repositoryRoute,
    agentsRoute,
    agentRoute,
    alarmsRoute,
    reportsRoute,
    auditRoute,
    administrationRoute,
    placeholder('/', pages.overview),
    placeholder('/compliance', pages.compliance),
    placeholder('/clusters/$cluster', pages.clusters),
    placeholder('/fleets', pages.fleets),
    placeholder('/fleets/$fleet', pages.fleets),
    placeholder('/jobs', pages.jobs),
    placeholder('/jobs/$job', pages.jobs),
    placeholder('/catalog', pages.catalog),
    placeholder('/restores', pages.restores),
    placeholder('/drills', pages.drills),
    placeholder('/approvals', pages.approvals),
  ]),
]);

export const router = createRouter({
  routeTree,
  context: { queryClient },
  defaultPreload: 'intent',
  // Queries know how old they are.
  defaultPreloadStaleTime: 0,
  scrollRestoration: true,
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
