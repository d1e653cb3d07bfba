import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { z } from 'zod';
import { restores } from '../../api/queries/restores';
import { frameRoute } from '../../frame/route';
import { choice, text } from '../../search/search';
import { words } from '../../words';
import { shortId } from '../../format/ids';

export const STATES = [
  'awaitingApproval',
  'placing',
  'running',
  'validating',
  'handingOver',
  'done',
  'failed',
  'cancelled',
  'rejected',
  'expired',
  'planned',
] as const;

const search = z.object({
  cluster: text(),
  state: choice(STATES),
});
export type RestoreSearch = z.infer<typeof search>;

export const restoresRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: '/restores',
  staticData: { crumb: words.restores.title },
  validateSearch: search,
  component: lazyRouteComponent(() => import('./RestoresPage'), 'RestoresPage'),
});

export const restoreRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: '/restores/$restore',
  staticData: {
    under: { text: words.restores.title, href: '/restores' },
    crumb: ({ restore }) => shortId(restore ?? ''),
  },
  loader: ({ context: { queryClient }, params }) => {
    void queryClient.prefetchQuery(restores.detail(params.restore));
  },
  component: lazyRouteComponent(() => import('./RestorePage'), 'RestorePage'),
});
