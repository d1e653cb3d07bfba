import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { z } from 'zod';
import { clusters } from '../../api/queries/clusters';
import { policies } from '../../api/queries/policies';
import { frameRoute } from '../../frame/route';
import { choice, text } from '../../search/search';
import { words } from '../../words';

const { title, edit } = words.policies;
const under = { text: title, href: '/policies' };

export const policiesRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: '/policies',
  staticData: { crumb: title },
  validateSearch: z.object({ q: text() }),
  loader: ({ context: { queryClient } }) => {
    void queryClient.prefetchInfiniteQuery(policies.list());
    void queryClient.prefetchInfiniteQuery(clusters.list());
  },
  component: lazyRouteComponent(() => import('./PoliciesPage'), 'PoliciesPage'),
});

export const POLICY_TABS = ['promise', 'clusters', 'versions', 'yaml'] as const;

export const policyRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: '/policies/$policy',
  staticData: { crumb: ({ policy }) => policy ?? '', under },
  validateSearch: z.object({
    tab: choice(POLICY_TABS),
    revision: z.number().int().positive().optional().catch(undefined),
  }),
  loader: ({ context: { queryClient }, params: { policy } }) => {
    void queryClient.prefetchQuery(policies.detail(policy));
  },
  component: lazyRouteComponent(() => import('./PolicyPage'), 'PolicyPage'),
});

export const EDIT_VIEWS = ['form', 'yaml', 'both'] as const;
export type EditView = (typeof EDIT_VIEWS)[number];

export const policyEditRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: '/policies/$policy/edit',
  staticData: { crumb: ({ policy }) => edit.title(policy ?? ''), under },
  validateSearch: z.object({ view: choice(EDIT_VIEWS) }),
  loader: ({ context: { queryClient }, params: { policy } }) => {
    void queryClient.prefetchQuery(policies.detail(policy));
  },
  component: lazyRouteComponent(() => import('./EditPage'), 'EditPage'),
});

export const policyNewRoute = createRoute({
  getParentRoute: () => frameRoute,
  // Not below /policies: a policy may be called anything.
  path: '/new/policy',
  staticData: { crumb: edit.newTitle, under },
  validateSearch: z.object({
    view: choice(EDIT_VIEWS),
    step: choice(['suggest', 'edit']),
  }),
  component: lazyRouteComponent(() => import('./NewPage'), 'NewPage'),
});
