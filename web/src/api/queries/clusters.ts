/** Queries of clusters, and starting a backup of one. */
import { queryOptions } from '@tanstack/react-query';
import { api, unwrap, type Schemas } from '../client';
import { pagedList } from '../pages';

export type Cluster = Schemas['List_Resource']['items'][number];

export interface ClusterFilters {
  label?: string | undefined;
  fleet?: string | undefined;
  retired?: boolean | undefined;
}

export const clusters = {
  /** All clusters by name, page by page. */
  list: (filters: ClusterFilters = {}) =>
    pagedList<Cluster>(['clusters', 'list', filters], (page, signal) =>
      unwrap(
        api.GET('/api/v1/clusters', { params: { query: { ...page, ...given(filters) } }, signal }),
      ),
    ),
  detail: (name: string) =>
    queryOptions({
      queryKey: ['clusters', 'detail', name],
      queryFn: ({ signal }) =>
        unwrap(api.GET('/api/v1/clusters/{name}', { params: { path: { name } }, signal })),
    }),
};

export const startBackup = (name: string, params: Schemas['BackupParams']) =>
  unwrap(api.POST('/api/v1/clusters/{name}/backups', { params: { path: { name } }, body: params }));

function given({ label, fleet, retired }: ClusterFilters) {
  return {
    ...(label !== undefined && { label }),
    ...(fleet !== undefined && { fleet }),
    ...(retired === true && { retired }),
  };
}
