import { createRoute, lazyRouteComponent, redirect } from '@tanstack/react-router';
import { z } from 'zod';
import { backups } from '../../api/queries/backups';
import { frameRoute } from '../../frame/route';
import { choice, text } from '../../search/search';
import { words } from '../../words';
import { shortId } from '../../format/ids';

export const KINDS = ['full', 'incremental', 'logical'] as const;
export const STATES = ['available', 'running', 'failed', 'condemned', 'deleted'] as const;

const search = z.object({
  cluster: text(),
  kind: choice(KINDS),
  state: choice(STATES),
  repository: text(),
  /** Another way to say /catalog/bkp_…. */
  backup: text(),
});
export type CatalogSearch = z.infer<typeof search>;

export const catalogRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: '/catalog',
  staticData: { crumb: words.catalog.title },
  validateSearch: search,
  beforeLoad: ({ search: { backup } }) => {
    if (backup !== undefined) throw redirect({ to: '/catalog/$backup', params: { backup } });
  },
  component: lazyRouteComponent(() => import('./CatalogPage'), 'CatalogPage'),
});

export const backupRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: '/catalog/$backup',
  staticData: {
    under: { text: words.catalog.title, href: '/catalog' },
    crumb: ({ backup }) => shortId(backup ?? ''),
  },
  loader: ({ context: { queryClient }, params }) => {
    void queryClient.prefetchQuery(backups.detail(params.backup));
  },
  component: lazyRouteComponent(() => import('./BackupPage'), 'BackupPage'),
});
