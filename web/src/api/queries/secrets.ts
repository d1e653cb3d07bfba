/** Secrets by name; what they hold is never read. */
import { api, unwrap, type Schemas } from '../client';
import { pagedList } from '../pages';

export type Secret = Schemas['SecretView'];

export const secrets = {
  list: () =>
    pagedList<Secret>(['secrets', 'list'], (page, signal) =>
      unwrap(api.GET('/api/v1/secrets', { params: { query: page }, signal })),
    ),
};

export const setSecret = (name: string, value: string) =>
  unwrap(api.PUT('/api/v1/secrets/{name}', { params: { path: { name } }, body: { value } }));

export const deleteSecret = (name: string) =>
  unwrap(api.DELETE('/api/v1/secrets/{name}', { params: { path: { name } } }));
