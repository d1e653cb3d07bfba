import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { z } from 'zod';
import { approvals } from '../../api/queries/approvals';
import { frameRoute } from '../../frame/route';
import { choice } from '../../search/search';
import { words } from '../../words';
import { shortId } from '../../format/ids';

const search = z.object({
  view: choice(['pending', 'decided']),
});
export type ApprovalSearch = z.infer<typeof search>;

export const approvalsRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: '/approvals',
  staticData: { crumb: words.approvals.title },
  validateSearch: search,
  component: lazyRouteComponent(() => import('./ApprovalsPage'), 'ApprovalsPage'),
});

export const approvalRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: '/approvals/$approval',
  staticData: {
    under: { text: words.approvals.title, href: '/approvals' },
    crumb: ({ approval }) => shortId(approval ?? ''),
  },
  loader: ({ context: { queryClient }, params }) => {
    void queryClient.prefetchQuery(approvals.detail(params.approval));
  },
  component: lazyRouteComponent(() => import('./ApprovalPage'), 'ApprovalPage'),
});
