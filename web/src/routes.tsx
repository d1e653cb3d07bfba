/** The one route tree. A page brings its own route; it is listed here. */
import { createRouter } from '@tanstack/react-router';
import { queryClient } from './api/query-client';
import { rootRoute } from './frame/root';
import { frameRoute } from './frame/route';
import { approvalRoute, approvalsRoute } from './pages/approvals/route';
import { backupRoute, catalogRoute } from './pages/catalog/route';
import { clusterRoute } from './pages/cluster/route';
import { clustersRoute } from './pages/clusters/route';
import { complianceRoute } from './pages/compliance/route';
import { fleetRoute, fleetsRoute } from './pages/fleets/route';
import { loginRoute } from './pages/login/route';
import { placeholder } from './pages/missing/placeholder';
import { overviewRoute } from './pages/overview/route';
import { unprotectedRoute } from './pages/unprotected/route';
import { drillRoute, drillsRoute } from './pages/drills/route';
import { jobRoute, jobsRoute } from './pages/jobs/route';
import { restoreRoute, restoresRoute } from './pages/restores/route';
import { wizardRoute } from './pages/wizard/route';
import { words } from './words';

const { pages } = words.frame;

const routeTree = rootRoute.addChildren([
  loginRoute,
  frameRoute.addChildren([
    clustersRoute,
    clusterRoute,
    overviewRoute,
    unprotectedRoute,
    complianceRoute,
    jobsRoute,
    jobRoute,
    catalogRoute,
    backupRoute,
    restoresRoute,
    wizardRoute,
    restoreRoute,
    drillsRoute,
    drillRoute,
    approvalsRoute,
    approvalRoute,
    fleetsRoute,
    fleetRoute,
    placeholder('/policies', pages.policies),
    placeholder('/policies/$policy', pages.policies),
    placeholder('/reports', pages.reports),
    placeholder('/alarms', pages.alarms),
    placeholder('/repositories', pages.repositories),
    placeholder('/agents', pages.agents),
    placeholder('/audit', pages.audit),
    placeholder('/administration', pages.administration),
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
