/** Queries of exposure: who would lose how much right now, and why. */
import { api, unwrap, type Schemas } from '../client';
import { pagedList } from '../pages';

export type Exposure = Schemas['List_Exposure']['items'][number];
export type Compliance = Schemas['Compliance'];

/** Exposure grows by itself between events. */
export const EXPOSURE_EVERY_MILLISECONDS = 15_000;

export const exposure = {
  list: (filters: { fleet?: string | undefined } = {}) =>
    pagedList<Exposure>(['exposure', 'list', filters], (page, signal) =>
      unwrap(
        api.GET('/api/v1/exposure', {
          params: {
            query: { ...page, ...(filters.fleet !== undefined && { fleet: filters.fleet }) },
          },
          signal,
        }),
      ),
    ),
};
