/** Who may consent to a request, by the roles that people have. */
import { Link } from '@tanstack/react-router';
import { useWholeList } from '../../api/pages';
import type { Approval } from '../../api/queries/approvals';
import { roles } from '../../api/queries/roles';
import { Badge } from '../../ui/Badge';
import { cx } from '../../ui/cx';
import { Skeleton } from '../../ui/States';
import { words } from '../../words';
import { votersOf, type Voter } from './may';

const text = words.approvals.detail;

export function WhoMay({ request }: { request: Approval }) {
  const known = useWholeList(roles.list());
  const bindings = useWholeList(roles.bindings());
  if (known.error !== null || bindings.error !== null) {
    return <p className="text-ink-2">{text.whoUnknown}</p>;
  }
  if (!known.complete || !bindings.complete) return <Skeleton className="w-40" />;
  const voters = votersOf(request, known.items, bindings.items);
  return (
    <>
      <ul className="space-y-1.5">
        {voters.map((voter) => (
          <li
            key={`${voter.user} ${voter.role} ${scopeWords(voter.scope)}`}
            className="flex flex-wrap items-center gap-2"
          >
            <span className={cx('font-medium', voter.requester && 'text-ink-3 line-through')}>
              {voter.user}
            </span>
            <Badge>{voter.role}</Badge>
            <span className="text-sm text-ink-2">
              {voter.requester ? text.notRequester : scopeWords(voter.scope)}
            </span>
          </li>
        ))}
      </ul>
      {voters.every(({ requester }) => requester) && (
        <p className="mt-2 font-medium text-warn">
          {text.whoNobody}{' '}
          <Link
            to="/administration"
            search={{ tab: 'access' }}
            className="rounded-sm underline underline-offset-4"
          >
            {text.whoGive}
          </Link>
        </p>
      )}
    </>
  );
}

function scopeWords({ fleet, selector }: Voter['scope']): string {
  if (fleet != null) return text.scopeFleet(fleet);
  const labels = Object.entries(selector ?? {});
  return labels.length === 0
    ? text.scopeEverything
    : labels.map(([key, value]) => `${key}=${value}`).join(', ');
}
