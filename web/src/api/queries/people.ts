/** Users, API tokens, roles and who has them. */
import { api, unwrap, type Schemas } from '../client';
import { pagedList } from '../pages';
import type { Cluster } from './clusters';

export type User = Schemas['UserView'];
export type Token = Schemas['TokenView'];
export type Role = Schemas['Role'];
export type RoleBinding = Cluster;

export const users = {
  list: () =>
    pagedList<User>(['users', 'list'], (page, signal) =>
      unwrap(api.GET('/api/v1/users', { params: { query: page }, signal })),
    ),
};
export const tokens = {
  list: () =>
    pagedList<Token>(['tokens', 'list'], (page, signal) =>
      unwrap(api.GET('/api/v1/tokens', { params: { query: page }, signal })),
    ),
};
export const roles = {
  list: () =>
    pagedList<Role>(['roles', 'list'], (_, signal) => unwrap(api.GET('/api/v1/roles', { signal }))),
};
export const roleBindings = {
  list: () =>
    pagedList<RoleBinding>(['role-bindings', 'list'], (page, signal) =>
      unwrap(api.GET('/api/v1/role-bindings', { params: { query: page }, signal })),
    ),
};

export const bindingOf = (binding: RoleBinding) =>
  binding.spec as unknown as Schemas['RoleBindingSpec'];

export const createUser = (body: Schemas['UserParams']) =>
  unwrap(api.POST('/api/v1/users', { body }));

export const deleteUser = (name: string) =>
  unwrap(api.DELETE('/api/v1/users/{name}', { params: { path: { name } } }));

export const setPassword = (name: string, body: Schemas['PasswordParams']) =>
  unwrap(api.PUT('/api/v1/users/{name}/password', { params: { path: { name } }, body }));

export const makeToken = (body: Schemas['TokenParams']) =>
  unwrap(api.POST('/api/v1/tokens', { body }));

export const revokeToken = (token: string) =>
  unwrap(api.DELETE('/api/v1/tokens/{token}', { params: { path: { token } } }));

export const bindRole = (document: Schemas['RoleBindingDocument']) =>
  unwrap(
    api.PUT('/api/v1/role-bindings/{name}', {
      params: { path: { name: document.metadata.name }, header: { 'If-None-Match': '*' } },
      body: document,
    }),
  );

export const unbindRole = (name: string, revision: string) =>
  unwrap(
    api.DELETE('/api/v1/role-bindings/{name}', {
      params: { path: { name }, header: { 'If-Match': revision } },
    }),
  );
