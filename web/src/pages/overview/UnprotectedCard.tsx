/** What nobody protects: it comes first, for nothing else would tell of it. */
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { ShieldOff } from 'lucide-react';
import type { Schemas } from '../../api/client';
import { overview } from '../../api/queries/overview';
import { formatCount } from '../../format/size';
import { ErrorState } from '../../ui/States';
import { Time } from '../../ui/Values';
import { words } from '../../words';
import { countOf, foundOf, keyOf, type Found } from '../unprotected/servers';
import { LINK, OverviewCard } from './parts';

const text = words.overview.unprotected;
const MOST = 6;
/** A cluster that somebody declared and forgot comes before what only runs somewhere. */
const RANK = { no_policy: 0, not_declared: 1 } as const;

/** Servers that nobody declared, each once where the list tells so; else as they are counted. */
export function useServers(counts: Schemas['UnprotectedCounts']): number {
  const { data } = useQuery(overview.unprotected());
  const whole = data !== undefined && data.nextCursor == null;
  return countOf(data?.items ?? [], whole, counts.instances);
}

export function UnprotectedCard({ counts }: { counts: Schemas['UnprotectedCounts'] }) {
  const query = useQuery(overview.unprotected());
  const { clusters } = counts;
  const items = query.data?.items ?? [];
  const instances = useServers(counts);
  if (counts.instances + clusters === 0) return null;
  const about = [
    instances > 0 && text.instances(formatCount(instances), instances),
    clusters > 0 && text.clusters(formatCount(clusters), clusters),
  ].filter((each) => each !== false);
  return (
    <OverviewCard title={text.title} about={about.join(', ')} to="/unprotected" all={text.all}>
      {query.error !== null && query.data === undefined ? (
        <div className="p-3">
          <ErrorState compact error={query.error} />
        </div>
      ) : (
        <ul>
          {foundOf(items)
            .toSorted((a, b) => RANK[a.row.reason] - RANK[b.row.reason])
            .slice(0, MOST)
            .map((each) => (
              <Row key={keyOf(each.row)} {...each} />
            ))}
        </ul>
      )}
    </OverviewCard>
  );
}

const agentsOf = (by: Found['by']) => by.map(({ agent }) => agent).join(', ');

function Row({ row: { cluster, instance, reason, firstSeenAt }, by }: Found) {
  const facts = [
    instance?.dataDirectory,
    reason === 'not_declared' &&
      (by.length > MOST ? text.seenBy(formatCount(by.length)) : text.foundBy(agentsOf(by))),
  ].filter((each) => typeof each === 'string');
  return (
    <li className="flex items-start gap-3 border-t border-line px-4 py-2.5">
      <ShieldOff aria-hidden className="mt-0.5 size-[1.125rem] shrink-0 text-bad" />
      <div className="min-w-0 flex-1">
        <p>
          {cluster != null && reason === 'no_policy' ? (
            <Link to="/clusters/$cluster" params={{ cluster }} className={LINK}>
              {cluster}
            </Link>
          ) : (
            <Link to="/unprotected" className={LINK}>
              {text.server(instance?.version ?? undefined, instance?.port ?? undefined)}
            </Link>
          )}{' '}
          <span className="text-ink-2">
            {reason === 'no_policy' ? text.noPolicy : text.notDeclared}
          </span>
        </p>
        {facts.length > 0 && (
          <p className="truncate text-sm text-ink-3" title={facts.join(', ')}>
            {facts.join(', ')}
          </p>
        )}
      </div>
      {firstSeenAt != null && (
        <span className="hidden text-sm text-ink-3 sm:block">
          {text.found} <Time at={firstSeenAt} />
        </span>
      )}
    </li>
  );
}
