/** What somebody may do everywhere, by roles: pure. The API decides; this only knows it before. */
import type { Schemas } from '../api/client';
import type { Role } from '../api/queries/roles';

export function mayEverywhere(
  me: Pick<Schemas['Access'], 'unlimited' | 'roles'>,
  roles: readonly Role[],
  permission: string,
): boolean {
  if (me.unlimited) return true;
  const able = new Set(
    roles.filter(({ permissions }) => permissions.includes(permission)).map(({ name }) => name),
  );
  // No label to have is everything; of a fleet is not.
  return me.roles.some(
    ({ role, selector }) =>
      able.has(role) && selector != null && Object.keys(selector).length === 0,
  );
}
