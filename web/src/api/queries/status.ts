/** How the control plane is doing; the frame asks it as a heartbeat. */
import { queryOptions } from '@tanstack/react-query';
import { api, unwrap } from '../client';

export const HEARTBEAT_MILLISECONDS = 15_000;

export const status = {
  show: () =>
    queryOptions({
      queryKey: ['status'],
      queryFn: ({ signal }) => unwrap(api.GET('/api/v1/status', { signal })),
      refetchInterval: HEARTBEAT_MILLISECONDS,
    }),
};
