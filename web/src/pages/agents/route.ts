import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { z } from 'zod';
import { agents } from '../../api/queries/agents';
import { frameRoute } from '../../frame/route';
import { choice, flag, sortBy, text } from '../../search/search';
import { words } from '../../words';

const { title } = words.agents;

export const AGENT_STATES = ['online', 'offline', 'revoked'] as const;

const search = z.object({
  q: text(),
  state: choice(AGENT_STATES),
  enrol: flag(),
  sort: sortBy(['name', 'state', 'region', 'version', 'seen', 'expires', 'instances']),
});
export type AgentSearch = z.infer<typeof search>;

export const agentsRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: '/agents',
  staticData: { crumb: title },
  validateSearch: search,
  loader: ({ context: { queryClient } }) => {
    void queryClient.prefetchInfiniteQuery(agents.list());
  },
  component: lazyRouteComponent(() => import('./AgentsPage'), 'AgentsPage'),
});

export const agentRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: '/agents/$agent',
  staticData: { crumb: ({ agent }) => agent ?? '', under: { text: title, href: '/agents' } },
  loader: ({ context: { queryClient }, params: { agent } }) => {
    void queryClient.prefetchQuery(agents.detail(agent));
  },
  component: lazyRouteComponent(() => import('./AgentPage'), 'AgentPage'),
});
