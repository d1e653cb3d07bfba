import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { z } from 'zod';
import { jobs } from '../../api/queries/jobs';
import { frameRoute } from '../../frame/route';
import { choice, text } from '../../search/search';
import { words } from '../../words';
import { shortId } from '../../format/ids';

export const KINDS = ['backup', 'restore', 'copy', 'drill'] as const;
export const STATES = [
  'queued',
  'leased',
  'running',
  'committing',
  'succeeded',
  'failed',
  'cancelled',
  'superseded',
] as const;

const search = z.object({
  view: choice(['now', 'history']),
  kind: choice(KINDS),
  state: choice(STATES),
  cluster: text(),
  fleet: text(),
  agent: text(),
  /** An RFC 3339 time; what is none is left out. */
  since: z
    .string()
    .refine((value) => !Number.isNaN(Date.parse(value)))
    .optional()
    .catch(undefined),
});
export type JobSearch = z.infer<typeof search>;

export const jobsRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: '/jobs',
  staticData: { crumb: words.jobs.title },
  validateSearch: search,
  component: lazyRouteComponent(() => import('./JobsPage'), 'JobsPage'),
});

export const jobRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: '/jobs/$job',
  staticData: {
    under: { text: words.jobs.title, href: '/jobs' },
    crumb: ({ job }) => shortId(job ?? ''),
  },
  loader: ({ context: { queryClient }, params }) => {
    void queryClient.prefetchQuery(jobs.detail(params.job));
  },
  component: lazyRouteComponent(() => import('./JobPage'), 'JobPage'),
});
