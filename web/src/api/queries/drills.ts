/** Queries of drills: what was rehearsed, and what that proves. */
import { queryOptions } from '@tanstack/react-query';
import { api, unwrap, type Schemas } from '../client';
import { pagedList } from '../pages';
import type { Cluster } from './clusters';

export type Drill = Schemas['DrillResult'];
export type DrillVerdict = Schemas['DrillVerdict'];
export type DrillRequest = Schemas['DrillRequest'];
export type DrillSpec = Schemas['DrillSpec'];

export interface DrillFilters {
  cluster?: string | undefined;
  fleet?: string | undefined;
  verdict?: DrillVerdict | undefined;
}

export const drills = {
  /** Those that have ended, the latest first. */
  list: (filters: DrillFilters = {}) =>
    pagedList<Drill>(['drills', 'list', filters], (page, signal) =>
      unwrap(
        api.GET('/api/v1/drills', {
          params: {
            query: {
              ...page,
              ...(filters.cluster !== undefined && { cluster: filters.cluster }),
              ...(filters.fleet !== undefined && { fleet: filters.fleet }),
              ...(filters.verdict !== undefined && { verdict: filters.verdict }),
            },
          },
          signal,
        }),
      ),
    ),
  detail: (id: string) =>
    queryOptions({
      queryKey: ['drills', 'detail', id],
      queryFn: ({ signal }) =>
        unwrap(api.GET('/api/v1/drills/{id}', { params: { path: { id } }, signal })),
    }),
  plans: () =>
    pagedList<Cluster>(['drill-plans', 'list'], (page, signal) =>
      unwrap(api.GET('/api/v1/drill-plans', { params: { query: page }, signal })),
    ),
};

export const runDrill = (name: string, request: DrillRequest) =>
  unwrap(api.POST('/api/v1/clusters/{name}/drills', { params: { path: { name } }, body: request }));

/** A drill has the number of its job. */
export const drillOfJob = (job: string) => job.replace(/^job_/, 'drl_');
