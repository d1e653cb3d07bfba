/** What the overview shows of each: the first of a list, never all of it. */
import { queryOptions } from '@tanstack/react-query';
import { api, unwrap, type Schemas } from '../client';
import { EXPOSURE_EVERY_MILLISECONDS } from './exposure';

export type Unprotected = Schemas['List_Unprotected']['items'][number];
export type Alarm = Schemas['List_Alarm']['items'][number];
export type WorstCluster = Schemas['ClusterOverview']['items'][number];
export type OpenJob = Schemas['List_Job']['items'][number];

const FEW = 8;

const jobsIn = async (state: Schemas['JobState'], signal: AbortSignal) => {
  const query = { state, limit: FEW };
  return (await unwrap(api.GET('/api/v1/jobs', { params: { query }, signal }))).items;
};

/** How many of the worst are shown. */
const WORST = 10;

export const overview = {
  /** Who would lose most of what may be lost, and what is so of how many. */
  worst: (fleet?: string) =>
    queryOptions({
      queryKey: ['exposure', 'worst', fleet ?? null],
      queryFn: ({ signal }) => {
        const query = { sort: 'rpo', limit: WORST, ...(fleet !== undefined && { fleet }) };
        return unwrap(api.GET('/api/v1/cluster-overview', { params: { query }, signal }));
      },
      refetchInterval: EXPOSURE_EVERY_MILLISECONDS,
    }),
  unprotected: () =>
    queryOptions({
      queryKey: ['unprotected', 'first'],
      // More than are shown: a server is in it once for each agent that sees it.
      queryFn: ({ signal }) =>
        unwrap(api.GET('/api/v1/unprotected', { params: { query: { limit: FEW * 6 } }, signal })),
    }),
  violations: () =>
    queryOptions({
      queryKey: ['violations', 'open-first'],
      queryFn: ({ signal }) => {
        const query = { open: true, limit: FEW };
        return unwrap(api.GET('/api/v1/violations', { params: { query }, signal }));
      },
      refetchInterval: EXPOSURE_EVERY_MILLISECONDS,
    }),
  work: () =>
    queryOptions({
      queryKey: ['jobs', 'open-first'],
      queryFn: async ({ signal }) => {
        const [committing, running, leased, queued] = await Promise.all([
          jobsIn('committing', signal),
          jobsIn('running', signal),
          jobsIn('leased', signal),
          jobsIn('queued', signal),
        ]);
        return [...committing, ...running, ...leased, ...queued].slice(0, FEW);
      },
      // Progress is no event.
      refetchInterval: 5_000,
    }),
  alarms: () =>
    queryOptions({
      queryKey: ['alarms', 'open-first'],
      queryFn: ({ signal }) =>
        unwrap(api.GET('/api/v1/alarms', { params: { query: { limit: FEW } }, signal })),
    }),
  nodes: () =>
    queryOptions({
      queryKey: ['nodes', 'all'],
      queryFn: ({ signal }) => unwrap(api.GET('/api/v1/nodes', { signal })),
      refetchInterval: 15_000,
    }),
};
