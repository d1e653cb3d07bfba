/** Queries of restores, their plans, and what begins and ends them. */
import { queryOptions } from '@tanstack/react-query';
import { api, unwrap, type Schemas } from '../client';
import { pagedList } from '../pages';

export type Restore = Schemas['Restore'];
export type RestoreState = Schemas['RestoreState'];
export type RestoreRequest = Schemas['RestoreRequest'];
export type DumpRestoreRequest = Schemas['DumpRestoreRequest'];
export type RestorePlanned = Schemas['RestorePlanned'];

export interface RestoreFilters {
  cluster?: string | undefined;
  state?: RestoreState | undefined;
}

const FINAL: ReadonlySet<RestoreState> = new Set([
  'done',
  'failed',
  'cancelled',
  'expired',
  'rejected',
]);
export const isOver = (state: RestoreState) => FINAL.has(state);

export const restores = {
  /** The latest first. */
  list: (filters: RestoreFilters = {}) =>
    pagedList<Restore>(['restores', 'list', filters], (page, signal) =>
      unwrap(
        api.GET('/api/v1/restores', {
          params: {
            query: {
              ...page,
              ...(filters.cluster !== undefined && { cluster: filters.cluster }),
              ...(filters.state !== undefined && { state: filters.state }),
            },
          },
          signal,
        }),
      ),
    ),
  detail: (id: string) =>
    queryOptions({
      queryKey: ['restores', 'detail', id],
      queryFn: ({ signal }) =>
        unwrap(api.GET('/api/v1/restores/{id}', { params: { path: { id } }, signal })),
    }),
  /**
   * Planning is asking: it touches nothing. No event makes a plan old (it is what was
   * shown, and is executed by its hash), so its key has none of the roots.
   */
  plan: (request: RestoreRequest) =>
    queryOptions({
      queryKey: ['plan-of-restore', request],
      queryFn: ({ signal }) => unwrap(api.POST('/api/v1/restores/plan', { body: request, signal })),
      staleTime: Number.POSITIVE_INFINITY,
      retry: false,
    }),
};

export const startRestore = (request: RestoreRequest) =>
  unwrap(api.POST('/api/v1/restores', { body: request }));

/** One database of a dump, into a running server: a job, and no restore of its own. */
export const startDumpRestore = (request: DumpRestoreRequest) =>
  unwrap(api.POST('/api/v1/dump-restores', { body: request }));

export const cancelRestore = (id: string) =>
  unwrap(api.POST('/api/v1/restores/{id}/cancel', { params: { path: { id } } }));

/** A restore has the number of its job: `job_1…` does `rst_1…`. */
export const restoreOfJob = (job: string) => job.replace(/^job_/, 'rst_');
