/** The one route tree. A page brings its own route; it is listed here. */
import { createRouter } from '@tanstack/react-router';
import { queryClient } from './api/query-client';
import { rootRoute } from './frame/root';
import { frameRoute } from './frame/route';
import { approvalRoute, approvalsRoute } from './pages/approvals/route';
import { backupRoute, catalogRoute } from './pages/catalog/route';
import { clusterRoute } from './pages/cluster/route';
import { administrationRoute } from './pages/administration/route';
import { agentRoute, agentsRoute } from './pages/agents/route';
import { alarmsRoute } from './pages/alarms/route';
import { auditRoute } from './pages/audit/route';
import { clustersRoute } from './pages/clusters/route';
import { drillRoute, drillsRoute, planNewRoute, planRoute } from './pages/drills/route';
import { dumpRoute } from './pages/dumps/route';
import { jobRoute, jobsRoute } from './pages/jobs/route';
import { loginRoute } from './pages/login/route';
import { restoreRoute, restoresRoute } from './pages/restores/route';
import { wizardRoute } from './pages/wizard/route';
import { complianceRoute } from './pages/compliance/route';
import { fleetRoute, fleetsRoute } from './pages/fleets/route';
import { overviewRoute } from './pages/overview/route';
import { unprotectedRoute } from './pages/unprotected/route';
import {
  policiesRoute,
  policyEditRoute,
  policyNewRoute,
  policyRoute,
} from './pages/policies/route';
import { reportsRoute } from './pages/reports/route';
import { repositoriesRoute, repositoryRoute } from './pages/repositories/route';

const routeTree = rootRoute.addChildren([
  loginRoute,
  frameRoute.addChildren([
    clustersRoute,
    clusterRoute,
    jobsRoute,
    jobRoute,
    catalogRoute,
    backupRoute,
    restoresRoute,
    wizardRoute,
    dumpRoute,
    restoreRoute,
    drillsRoute,
    drillRoute,
    planRoute,
    planNewRoute,
    approvalsRoute,
    approvalRoute,
    overviewRoute,
    unprotectedRoute,
    complianceRoute,
    fleetsRoute,
    fleetRoute,
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
