/** Who asks, and what it may do. */
import { queryOptions } from '@tanstack/react-query';
import { api, unwrap } from '../client';

export const access = {
  me: () =>
    queryOptions({
      queryKey: ['access', 'me'],
      queryFn: ({ signal }) => unwrap(api.GET('/api/v1/access/me', { signal })),
      staleTime: 60_000,
    }),
};
