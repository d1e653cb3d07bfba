/** Who may consent, by roles: pure. The API decides; this only says it beforehand. */
import type { Approval } from '../../api/queries/approvals';
import type { Binding, Role } from '../../api/queries/roles';

export const VOTE = 'approvals:vote';

interface Held {
  unlimited: boolean;
  roles: readonly { role: string }[];
}

const voting = (roles: readonly Role[]) =>
  new Set(roles.filter(({ permissions }) => permissions.includes(VOTE)).map(({ name }) => name));

export function mayVote(me: Held, roles: readonly Role[]): boolean {
  const able = voting(roles);
  return me.unlimited || me.roles.some(({ role }) => able.has(role));
}

export interface Voter {
  user: string;
  role: string;
  scope: Binding['spec']['scope'];
  /** Who asked does not consent. */
  requester: boolean;
}

/** Everybody with a role that consents; the API looks at their scopes. */
export function votersOf(
  request: Pick<Approval, 'requestedBy'>,
  roles: readonly Role[],
  bindings: readonly Binding[],
): Voter[] {
  const able = voting(roles);
  return bindings
    .filter(({ spec }) => able.has(spec.role))
    .flatMap(({ spec: { role, scope, subjects } }) =>
      subjects.flatMap(({ user }) =>
        user == null
          ? []
          : [{ user, role, scope, requester: request.requestedBy === `user:${user}` }],
      ),
    );
}
