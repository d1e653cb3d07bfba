/** Queries of jobs: the work of the fleet, what waits and why, what ran. */
import { queryOptions } from '@tanstack/react-query';
import { api, unwrap, type Schemas } from '../client';
import { pagedList } from '../pages';

export type JobState = Schemas['JobState'];
export type JobKind = Schemas['JobKind'];
export type JobPhase = Schemas['JobPhase'];

/** What newer control planes tell besides; nothing is computed here in its stead. */
export type JobProgress = Schemas['JobProgress'] & {
  /** How long the rest of this phase takes at that rate. */
  remainingSeconds?: number | null;
};
export type Job = Omit<Schemas['Job'], 'progress'> & {
  progress?: JobProgress | null;
  waitingCode?: string | null;
  /** Its place in the queue, from 1. */
  queuePosition?: number | null;
};

export interface JobFilters {
  state?: JobState | undefined;
  kind?: JobKind | undefined;
  cluster?: string | undefined;
  fleet?: string | undefined;
  /** That has it, had it last, or is asked to do it. */
  agent?: string | undefined;
  /** Asked for since then. */
  since?: string | undefined;
}

/** Progress is no event: what runs is looked at again so often. */
export const PROGRESS_EVERY_MILLISECONDS = 2_000;

const FINAL: ReadonlySet<JobState> = new Set(['succeeded', 'failed', 'cancelled', 'superseded']);
export const isFinal = (state: JobState) => FINAL.has(state);

export const jobs = {
  /** Newest first. */
  list: (filters: JobFilters = {}) =>
    pagedList<Job>(['jobs', 'list', filters], (page, signal) =>
      unwrap(
        api.GET('/api/v1/jobs', { params: { query: { ...page, ...given(filters) } }, signal }),
      ),
    ),
  /** The newest few, for a look at what is there. */
  some: (filters: JobFilters, limit: number) =>
    queryOptions({
      queryKey: ['jobs', 'some', filters, limit],
      queryFn: async ({ signal }): Promise<{ items: Job[]; more: boolean }> => {
        const query = { limit, ...given(filters) };
        const page = await unwrap(api.GET('/api/v1/jobs', { params: { query }, signal }));
        return { items: page.items, more: (page.nextCursor ?? null) !== null };
      },
    }),
  detail: (id: string) =>
    queryOptions({
      queryKey: ['jobs', 'detail', id],
      queryFn: ({ signal }): Promise<Job> =>
        unwrap(api.GET('/api/v1/jobs/{id}', { params: { path: { id } }, signal })),
      refetchInterval: ({ state }) =>
        state.data === undefined || isFinal(state.data.state) ? false : PROGRESS_EVERY_MILLISECONDS,
    }),
  /** What its last attempt logged; `live` asks again and again. */
  logs: (id: string, live: boolean) =>
    queryOptions({
      queryKey: ['jobs', 'logs', id],
      queryFn: ({ signal }) =>
        unwrap(api.GET('/api/v1/jobs/{id}/logs', { params: { path: { id } }, signal })),
      refetchInterval: live ? PROGRESS_EVERY_MILLISECONDS : false,
    }),
};

export const cancelJob = (id: string) =>
  unwrap(api.POST('/api/v1/jobs/{id}/cancel', { params: { path: { id } } }));

function given({ state, kind, cluster, fleet, agent, since }: JobFilters) {
  return {
    ...(state !== undefined && { state }),
    ...(kind !== undefined && { kind }),
    ...(cluster !== undefined && { cluster }),
    ...(fleet !== undefined && { fleet }),
    ...(agent !== undefined && { agent }),
    ...(since !== undefined && { since }),
  };
}
