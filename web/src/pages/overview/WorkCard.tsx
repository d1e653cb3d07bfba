/** Jobs that run or wait. */
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { overview } from '../../api/queries/overview';
import { formatCount } from '../../format/size';
import { StatusPill } from '../../ui/Badge';
import { ErrorState } from '../../ui/States';
import { Time } from '../../ui/Values';
import { words } from '../../words';
import { Happening, JOB_LOOKS } from '../cluster/JobsTab';
import { LINK, OverviewCard } from './parts';

const text = words.overview.work;
const { jobKinds, jobStates } = words.cluster;

export function WorkCard({ counts }: { counts: Record<string, number> }) {
  const query = useQuery(overview.work());
  const running = ['leased', 'running', 'committing'].reduce(
    (sum, state) => sum + (counts[state] ?? 0),
    0,
  );
  const queued = counts['queued'] ?? 0;
  const none = running + queued === 0;
  const about = none
    ? text.none
    : `${text.running(formatCount(running))}, ${text.queued(formatCount(queued))}`;
  return (
    <OverviewCard title={text.title} about={about} to="/jobs" all={text.all}>
      {query.error !== null && query.data === undefined ? (
        <div className="p-3">
          <ErrorState compact error={query.error} retry={() => void query.refetch()} />
        </div>
      ) : (
        <>
          <ul>
            {query.data?.map((job) => (
              <li
                key={job.id}
                className="flex flex-wrap items-center gap-x-3 gap-y-1.5 border-t border-line px-4 py-2.5"
              >
                <StatusPill {...JOB_LOOKS[job.state]}>{jobStates[job.state]}</StatusPill>
                <span className="min-w-36 flex-1">
                  <Link to="/jobs/$job" params={{ job: job.id }} className={LINK}>
                    {jobKinds[job.kind]}
                  </Link>{' '}
                  <Link
                    to="/clusters/$cluster"
                    params={{ cluster: job.cluster }}
                    className="text-ink-2 underline-offset-4 hover:underline"
                  >
                    {job.cluster}
                  </Link>
                </span>
                <Happening job={job} />
                <span className="text-sm text-ink-3">
                  <Time at={job.startedAt ?? job.createdAt} />
                </span>
              </li>
            ))}
          </ul>
        </>
      )}
    </OverviewCard>
  );
}
