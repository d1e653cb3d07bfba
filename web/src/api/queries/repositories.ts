/** Repositories: what is declared, how they differ from the catalog, their keys. */
import { queryOptions } from '@tanstack/react-query';
import { api, unwrap, type Schemas } from '../client';
import { pagedList } from '../pages';
import type { Cluster } from './clusters';

export type Repository = Cluster;
export type Findings = Schemas['Findings'];
export type Finding = Schemas['Finding'];

export const repositories = {
  list: () =>
    pagedList<Repository>(['repositories', 'list'], (page, signal) =>
      unwrap(api.GET('/api/v1/repositories', { params: { query: page }, signal })),
    ),
  detail: (name: string) =>
    queryOptions({
      queryKey: ['repositories', 'detail', name],
      queryFn: ({ signal }) =>
        unwrap(api.GET('/api/v1/repositories/{name}', { params: { path: { name } }, signal })),
    }),
  findings: (name: string) =>
    queryOptions({
      queryKey: ['repositories', 'findings', name],
      queryFn: ({ signal }) =>
        unwrap(
          api.GET('/api/v1/repositories/{name}/findings', { params: { path: { name } }, signal }),
        ),
      // While a comparison was asked for, its end is near.
      refetchInterval: ({ state }) => (state.data?.requestedAt == null ? false : 3_000),
    }),
};

export const scan = (repository: string | undefined) =>
  unwrap(api.POST('/api/v1/scans', { body: repository === undefined ? {} : { repository } }));

export const exportKey = (name: string) =>
  unwrap(api.POST('/api/v1/repositories/{name}/key/export', { params: { path: { name } } }));

export const saveRepository = (
  document: Schemas['RepositoryDocument'],
  revision: string | undefined,
) =>
  unwrap(
    api.PUT('/api/v1/repositories/{name}', {
      params: {
        path: { name: document.metadata.name },
        header: revision === undefined ? { 'If-None-Match': '*' } : { 'If-Match': revision },
      },
      body: document,
    }),
  );

export const deleteRepository = (name: string, revision: string) =>
  unwrap(
    api.DELETE('/api/v1/repositories/{name}', {
      params: { path: { name }, header: { 'If-Match': revision } },
    }),
  );
