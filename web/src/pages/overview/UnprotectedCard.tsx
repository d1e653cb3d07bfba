/** What nobody protects: it comes first, for nothing else would tell of it. */
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { ShieldOff } from 'lucide-react';
import type { Schemas } from '../../api/client';
import { overview, type Unprotected } from '../../api/queries/overview';
import { formatCount } from '../../format/size';
import { ErrorState } from '../../ui/States';
import { Time } from '../../ui/Values';
import { words } from '../../words';
import { LINK, OverviewCard } from './parts';

const text = words.overview.unprotected;

export function UnprotectedCard({ counts }: { counts: Schemas['UnprotectedCounts'] }) {
  const query = useQuery(overview.unprotected());
  const { instances, clusters } = counts;
  if (instances + clusters === 0) return null;
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
          {(query.data?.items ?? []).map((each) => (
            <Row
              key={`${each.agent}${each.cluster ?? each.instance?.dataDirectory ?? ''}`}
              {...each}
            />
          ))}
        </ul>
      )}
    </OverviewCard>
  );
}

function Row({ agent, cluster, instance, reason, firstSeenAt }: Unprotected) {
  const facts = [
    instance?.version != null && text.version(instance.version),
    instance?.port != null && text.port(instance.port),
    instance?.dataDirectory,
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
            <Link to={`/agents/${agent}` as string} className={LINK}>
              {text.server(agent)}
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
        <span className="text-sm text-ink-3">
          {text.found} <Time at={firstSeenAt} />
        </span>
      )}
    </li>
  );
}
