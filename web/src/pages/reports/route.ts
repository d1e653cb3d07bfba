import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { z } from 'zod';
import { reports } from '../../api/queries/reports';
import { frameRoute } from '../../frame/route';
import { choice, text } from '../../search/search';
import { words } from '../../words';
import { PERIODS } from './period';

const search = z.object({
  fleet: text(),
  period: choice(PERIODS),
  from: text(),
  to: text(),
  known: text(),
  format: choice(['pdf', 'csv', 'json']),
});
export type ReportSearch = z.infer<typeof search>;

export const reportsRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: '/reports',
  staticData: { crumb: words.reports.title },
  validateSearch: search,
  loader: ({ context: { queryClient } }) => {
    void queryClient.prefetchInfiniteQuery(reports.list());
    void queryClient.prefetchInfiniteQuery(reports.keys());
  },
  component: lazyRouteComponent(() => import('./ReportsPage'), 'ReportsPage'),
});
