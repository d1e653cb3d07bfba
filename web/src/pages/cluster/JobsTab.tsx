/** The newest jobs of the cluster, with why one waits and how far one is. */
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Ban, CircleCheck, CircleX, Hourglass, ListChecks, LoaderCircle } from 'lucide-react';
import type { Schemas } from '../../api/client';
import { clusterParts, type Job } from '../../api/queries/cluster-parts';
import { formatBytes } from '../../format/size';
import { PlainTable, type PlainColumn } from '../../table/PlainTable';
import { StatusPill, type Tone } from '../../ui/Badge';
import { Card } from '../../ui/Card';
import { Progress } from '../../ui/Progress';
import { EmptyState, ErrorState } from '../../ui/States';
import { Duration, None, Time } from '../../ui/Values';
import { words } from '../../words';

const text = words.cluster.jobs;
const { jobKinds, jobStates } = words.cluster;
const LINK = 'underline-offset-4 hover:underline decoration-line-strong';

export const JOB_LOOKS: Record<Schemas['JobState'], { tone: Tone; icon: typeof Ban }> = {
  queued: { tone: 'idle', icon: Hourglass },
  leased: { tone: 'info', icon: Hourglass },
  running: { tone: 'info', icon: LoaderCircle },
  committing: { tone: 'info', icon: LoaderCircle },
  succeeded: { tone: 'ok', icon: CircleCheck },
  failed: { tone: 'bad', icon: CircleX },
  cancelled: { tone: 'idle', icon: Ban },
  superseded: { tone: 'idle', icon: Ban },
};

const columns: PlainColumn<Job>[] = [
  {
    id: 'job',
    title: text.job,
    cell: ({ id, kind }) => (
      <Link to="/jobs/$job" params={{ job: id }} className={`${LINK} font-medium`}>
        {jobKinds[kind]}
      </Link>
    ),
  },
  {
    id: 'state',
    title: text.state,
    cell: ({ state }) => <StatusPill {...JOB_LOOKS[state]}>{jobStates[state]}</StatusPill>,
  },
  { id: 'what', title: text.what, cell: (job) => <Happening job={job} />, wrap: true },
  { id: 'created', title: text.created, cell: ({ createdAt }) => <Time at={createdAt} /> },
  {
    id: 'took',
    title: text.took,
    end: true,
    from: 'md',
    cell: ({ startedAt, finishedAt }) =>
      startedAt == null || finishedAt == null ? (
        <None />
      ) : (
        <Duration seconds={(Date.parse(finishedAt) - Date.parse(startedAt)) / 1000} />
      ),
  },
  {
    id: 'agent',
    title: text.agent,
    from: 'lg',
    cell: ({ agent }) =>
      agent == null ? (
        <None />
      ) : (
        <Link to={`/agents/${agent}` as string} className={LINK}>
          {agent}
        </Link>
      ),
  },
];

export function Happening({ job }: { job: Job }) {
  const { progress, waitingFor, because, error, phase, state } = job;
  if (error != null) return <span className="line-clamp-2 text-bad">{error.message}</span>;
  if (waitingFor != null) return <span className="text-ink-2">{text.waiting(waitingFor)}</span>;
  if (progress != null && (state === 'running' || state === 'committing')) {
    const { bytesDone, bytesTotal, rate } = progress;
    const share = bytesTotal != null && bytesTotal > 0 ? bytesDone / bytesTotal : undefined;
    return (
      <span className="block w-40 max-w-full space-y-1">
        <Progress label={progress.phase} share={share} />
        <span className="num block text-xs text-ink-2">
          {progress.phase} {formatBytes(bytesDone)}
          {rate != null && `, ${text.rate(formatBytes(rate))}`}
        </span>
      </span>
    );
  }
  if (because != null) return <span className="text-ink-2">{because}</span>;
  return phase == null ? <None /> : <span className="text-ink-2">{phase}</span>;
}

export function JobsTab({ cluster }: { cluster: string }) {
  const query = useQuery(clusterParts.jobs(cluster));
  if (query.error !== null && query.data === undefined) {
    return <ErrorState error={query.error} retry={() => void query.refetch()} />;
  }
  return (
    <Card>
      <PlainTable
        label={text.label}
        columns={columns}
        rows={query.data?.items.slice(0, 50)}
        rowId={({ id }) => id}
        empty={
          <EmptyState icon={ListChecks} title={text.empty}>
            <p>{text.emptyAbout}</p>
          </EmptyState>
        }
      />
      <p className="border-t border-line px-4 py-2.5 text-sm">
        <Link to="/jobs" search={{ cluster } as never} className={LINK}>
          {text.all}
        </Link>
      </p>
    </Card>
  );
}
