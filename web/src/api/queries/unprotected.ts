/** What nobody protects, and saying that something needs no protection. */
import { api, unwrap } from '../client';
import { pagedList } from '../pages';
import type { Unprotected } from './overview';

export const unprotected = {
  list: (filters: { ignored?: boolean | undefined } = {}) =>
    pagedList<Unprotected>(['unprotected', 'list', filters], (page, signal) =>
      unwrap(
        api.GET('/api/v1/unprotected', {
          params: { query: { ...page, ...(filters.ignored === true && { ignored: true }) } },
          signal,
        }),
      ),
    ),
};

export const ignoreServer = (agent: string, dataDirectory: string, reason: string) =>
  unwrap(api.POST('/api/v1/unprotected/ignore', { body: { agent, dataDirectory, reason } }));

export const heedServer = (agent: string, dataDirectory: string) =>
  unwrap(api.POST('/api/v1/unprotected/heed', { body: { agent, dataDirectory } }));
