/** Violations that are not over. */
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { CircleX } from 'lucide-react';
import { overview } from '../../api/queries/overview';
import { formatDuration } from '../../format/time';
import { useNow } from '../../live/now';
import { ErrorState } from '../../ui/States';
import { words } from '../../words';
import { LINK, OverviewCard } from './parts';

const text = words.overview.violations;

export function ViolationsCard() {
  const query = useQuery(overview.violations());
  const now = useNow();
  if (query.error !== null && query.data === undefined) {
    return <ErrorState compact error={query.error} retry={() => void query.refetch()} />;
  }
  const items = query.data?.items ?? [];
  if (items.length === 0) return null;
  return (
    <OverviewCard title={text.title} to="/compliance" search={{ tab: 'violations' }} all={text.all}>
      <ul>
        {items.map(({ cluster, startedAt, cause, rpoSeconds, fleet }) => (
          <li
            key={`${cluster}${startedAt}`}
            className="flex items-start gap-3 border-t border-line px-4 py-2.5"
          >
            <CircleX aria-hidden className="mt-0.5 size-[1.125rem] shrink-0 text-bad" />
            <div className="min-w-0 flex-1">
              <p>
                <Link to="/clusters/$cluster" params={{ cluster }} className={LINK}>
                  {cluster}
                </Link>{' '}
                <span className="text-ink-2">{words.coverage.cause(cause)}</span>
              </p>
              <p className="text-sm text-ink-3">
                {fleet} · {words.clusters.rpo(formatDuration(rpoSeconds))}
              </p>
            </div>
            <span className="num text-right text-sm font-medium text-bad">
              {text.for} {formatDuration(Math.max(0, (now - Date.parse(startedAt)) / 1000))}
            </span>
          </li>
        ))}
      </ul>
    </OverviewCard>
  );
}
