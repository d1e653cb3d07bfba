/** Where work can be done: agents with their regions, and repositories, by name. */
import { api, unwrap, type Schemas } from '../client';
import { pagedList } from '../pages';
import type { Cluster } from './clusters';

export type Agent = Schemas['Agent'];

export const places = {
  agents: () =>
    pagedList<Agent>(['agents', 'list', {}], (page, signal) =>
      unwrap(api.GET('/api/v1/agents', { params: { query: page }, signal })),
    ),
  repositories: () =>
    pagedList<Cluster>(['repositories', 'list', {}], (page, signal) =>
      unwrap(api.GET('/api/v1/repositories', { params: { query: page }, signal })),
    ),
};
