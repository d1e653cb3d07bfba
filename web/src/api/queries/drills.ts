/** Queries of drills: what was rehearsed, and what that proves. */
import { queryOptions } from '@tanstack/react-query';
import { api, unwrap, type Schemas } from '../client';
import { pagedList } from '../pages';
import type { Cluster } from './clusters';
import { previewDocuments, type Document } from './documents-dry';

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
  plan: (name: string) =>
    queryOptions({
      queryKey: ['drill-plans', 'detail', name],
      queryFn: ({ signal }) =>
        unwrap(api.GET('/api/v1/drill-plans/{name}', { params: { path: { name } }, signal })),
    }),
  /** What applying this document would come to: refused as that would be. */
  planCheck: (document: unknown, enabled: boolean) =>
    queryOptions({
      queryKey: ['drill-plans', 'check', document],
      queryFn: ({ signal }) => previewDocuments([document as Document], signal),
      enabled,
      retry: false,
      staleTime: 30_000,
      gcTime: 60_000,
    }),
  plans: () =>
    pagedList<Cluster>(['drill-plans', 'list'], (page, signal) =>
      unwrap(api.GET('/api/v1/drill-plans', { params: { query: page }, signal })),
    ),
};

export type DrillPlanDocument = Schemas['DrillPlanDocument'];

/** Refused when the plan is no longer at `revision`, or is there when it should be new. */
export function savePlan(document: DrillPlanDocument, revision: string | undefined) {
  const { name } = document.metadata;
  const header = revision === undefined ? { 'If-None-Match': '*' } : { 'If-Match': revision };
  return unwrap(
    api.PUT('/api/v1/drill-plans/{name}', { params: { path: { name }, header }, body: document }),
  );
}

export const deletePlan = (name: string, revision: string) =>
  unwrap(
    api.DELETE('/api/v1/drill-plans/{name}', {
      params: { path: { name }, header: { 'If-Match': revision } },
    }),
  );

export const runDrill = (name: string, request: DrillRequest) =>
  unwrap(api.POST('/api/v1/clusters/{name}/drills', { params: { path: { name } }, body: request }));

/** A drill has the number of its job. */
export const drillOfJob = (job: string) => job.replace(/^job_/, 'drl_');
