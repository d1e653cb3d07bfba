/** Who may do what: roles, and to whom they are given. */
import { api, unwrap, type Schemas } from '../client';
import { pagedList } from '../pages';

export type Role = Schemas['Role'];

/** A role that is given to people, as its document says. */
export interface Binding {
  metadata: { name: string };
  spec: Schemas['RoleBindingSpec'];
}

export const roles = {
  list: () =>
    pagedList<Role>(['roles', 'list'], (_page, signal) =>
      unwrap(api.GET('/api/v1/roles', { signal })),
    ),
  bindings: () =>
    pagedList<Binding>(['role-bindings', 'list'], async (page, signal) => {
      const read = await unwrap(
        api.GET('/api/v1/role-bindings', { params: { query: page }, signal }),
      );
      // The document of a kind is open in the API's own words; this is what this kind holds.
      const items = read.items.map(({ metadata, spec }) => ({
        metadata,
        spec: spec as unknown as Schemas['RoleBindingSpec'],
      }));
      return { items, nextCursor: read.nextCursor ?? null };
    }),
};
