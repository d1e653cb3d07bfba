/** The policy in force for a cluster, field by field. */
import { queryOptions } from '@tanstack/react-query';
import { api, unwrap } from '../client';

export const effective = {
  policy: (name: string) =>
    queryOptions({
      queryKey: ['policies', 'effective', name],
      queryFn: ({ signal }) =>
        unwrap(api.GET('/api/v1/clusters/{name}/policy', { params: { path: { name } }, signal })),
      retry: false,
    }),
};
