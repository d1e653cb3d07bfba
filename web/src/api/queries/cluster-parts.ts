/** What belongs to one cluster: its exposure, policy in force, schedule, jobs, backups. */
import { queryOptions } from '@tanstack/react-query';
import { api, unwrap, type Schemas } from '../client';
import { EXPOSURE_EVERY_MILLISECONDS } from './exposure';

export type ClusterResource = Schemas['Resource'];
export type Instance = Schemas['InstanceStatus'];
export type Job = Schemas['List_Job']['items'][number];
export type Backup = Schemas['List_BackupView']['items'][number];
export type PolicyInForce = Schemas['PolicyInForce'];

const MOST = 200;

export const clusterParts = {
  exposure: (cluster: string) =>
    queryOptions({
      queryKey: ['exposure', 'of-cluster', cluster],
      queryFn: async ({ signal }) => {
        const query = { cluster, limit: 1 };
        const found = await unwrap(api.GET('/api/v1/exposure', { params: { query }, signal }));
        return found.items[0] ?? null;
      },
      refetchInterval: EXPOSURE_EVERY_MILLISECONDS,
    }),
  policy: (name: string) =>
    queryOptions({
      queryKey: ['policies', 'in-force', name],
      queryFn: ({ signal }) =>
        unwrap(api.GET('/api/v1/clusters/{name}/policy', { params: { path: { name } }, signal })),
    }),
  schedule: (name: string) =>
    queryOptions({
      queryKey: ['runs', 'to-come', name],
      queryFn: async ({ signal }) => {
        const params = { path: { name }, query: { n: 20 } };
        const found = await unwrap(api.GET('/api/v1/clusters/{name}/schedule', { params, signal }));
        return found.items;
      },
    }),
  runs: (cluster: string) =>
    queryOptions({
      queryKey: ['runs', 'of-cluster', cluster],
      queryFn: async ({ signal }) => {
        const query = { cluster, limit: 50 };
        return (await unwrap(api.GET('/api/v1/runs', { params: { query }, signal }))).items;
      },
    }),
  jobs: (cluster: string) =>
    queryOptions({
      queryKey: ['jobs', 'of-cluster', cluster],
      queryFn: ({ signal }) => {
        const query = { cluster, limit: MOST };
        return unwrap(api.GET('/api/v1/jobs', { params: { query }, signal }));
      },
    }),
  backups: (cluster: string) =>
    queryOptions({
      queryKey: ['backups', 'of-cluster', cluster],
      queryFn: ({ signal }) => {
        const query = { cluster, limit: MOST };
        return unwrap(api.GET('/api/v1/backups', { params: { query }, signal }));
      },
    }),
};
