/** Agents on the hosts of databases: how they are, letting one in, refusing one. */
import { queryOptions } from '@tanstack/react-query';
import { api, unwrap, type Schemas } from '../client';
import { pagedList } from '../pages';

export type Agent = Schemas['Agent'];
export type JoinToken = Schemas['JoinTokenView'];

export const agents = {
  list: () =>
    pagedList<Agent>(['agents', 'list'], (page, signal) =>
      unwrap(api.GET('/api/v1/agents', { params: { query: page }, signal })),
    ),
  detail: (name: string) =>
    queryOptions({
      queryKey: ['agents', 'detail', name],
      queryFn: ({ signal }) =>
        unwrap(api.GET('/api/v1/agents/{name}', { params: { path: { name } }, signal })),
    }),
};

/** A token with which one agent enrols, once; its text is in this answer alone. */
export const makeJoinToken = (body: Schemas['JoinTokenParams']) =>
  unwrap(api.POST('/api/v1/agents/tokens', { body }));

export const revokeAgent = (name: string) =>
  unwrap(api.POST('/api/v1/agents/{name}/revoke', { params: { path: { name } } }));
