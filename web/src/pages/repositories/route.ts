import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { z } from 'zod';
import { repositories } from '../../api/queries/repositories';
import { frameRoute } from '../../frame/route';
import { sortBy } from '../../search/search';
import { words } from '../../words';

const { title } = words.repositories;

export const repositoriesRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: '/repositories',
  staticData: { crumb: title },
  validateSearch: z.object({ sort: sortBy(['name', 'region', 'used', 'found', 'scanned']) }),
  loader: ({ context: { queryClient } }) => {
    void queryClient.prefetchInfiniteQuery(repositories.list());
  },
  component: lazyRouteComponent(() => import('./RepositoriesPage'), 'RepositoriesPage'),
});

export const repositoryRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: '/repositories/$repository',
  staticData: {
    crumb: ({ repository }) => repository ?? '',
    under: { text: title, href: '/repositories' },
  },
  loader: ({ context: { queryClient }, params: { repository } }) => {
    void queryClient.prefetchQuery(repositories.detail(repository));
    void queryClient.prefetchQuery(repositories.findings(repository));
  },
  component: lazyRouteComponent(() => import('./RepositoryPage'), 'RepositoryPage'),
});
