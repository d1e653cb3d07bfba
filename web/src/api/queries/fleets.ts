/** Queries of fleets. */
import { api, unwrap } from '../client';
import { pagedList } from '../pages';
import type { Cluster } from './clusters';

export const fleets = {
  list: () =>
    pagedList<Cluster>(['fleets', 'list'], (page, signal) =>
      unwrap(api.GET('/api/v1/fleets', { params: { query: page }, signal })),
    ),
};
