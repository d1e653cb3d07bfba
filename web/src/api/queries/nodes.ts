/** Nodes of the control plane itself, and snapshots of its state. */
import { queryOptions } from '@tanstack/react-query';
import { api, unwrap, type Schemas } from '../client';
import { pagedList } from '../pages';

export type Node = Schemas['Node'];
export type Quorum = Schemas['QuorumView'];
export type StateSnapshot = Schemas['StateSnapshot'];

export const nodes = {
  list: () =>
    pagedList<Node>(['nodes', 'list'], (_, signal) => unwrap(api.GET('/api/v1/nodes', { signal }))),
  removal: (node: string, enabled = true) =>
    queryOptions({
      queryKey: ['nodes', 'removal', node],
      queryFn: ({ signal }) =>
        unwrap(api.GET('/api/v1/nodes/{node}/removal', { params: { path: { node } }, signal })),
      enabled,
      // Who can be reached changes by itself.
      staleTime: 0,
    }),
};

export const makeNodeToken = (ttl: string) =>
  unwrap(api.POST('/api/v1/nodes/tokens', { body: { ttl } }));

export const removeNode = (node: string) =>
  unwrap(api.DELETE('/api/v1/nodes/{node}', { params: { path: { node } } }));

export const makeLead = (node: string) =>
  unwrap(api.POST('/api/v1/nodes/{node}/lead', { params: { path: { node } } }));

export const snapshots = {
  list: () =>
    pagedList<StateSnapshot>(['state-snapshots', 'list'], (_, signal) =>
      unwrap(api.GET('/api/v1/state-snapshots', { signal })),
    ),
  settings: () =>
    queryOptions({
      queryKey: ['state-snapshots', 'settings'],
      queryFn: ({ signal }) => unwrap(api.GET('/api/v1/state-snapshots/settings', { signal })),
    }),
};

export const takeSnapshot = (repository: string | undefined) =>
  unwrap(
    api.POST('/api/v1/state-snapshots', {
      body: repository === undefined ? {} : { repository },
    }),
  );

export const scheduleSnapshots = (body: Schemas['StateSnapshotSettingsParams']) =>
  unwrap(api.PUT('/api/v1/state-snapshots/settings', { body }));

export const endSnapshots = () => unwrap(api.DELETE('/api/v1/state-snapshots/settings'));
