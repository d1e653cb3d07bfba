/** What runs with its live progress, and the queue with what each waits for. */
import { useQueries } from '@tanstack/react-query';
import { ListChecks } from 'lucide-react';
import {
  PROGRESS_EVERY_MILLISECONDS,
  jobs,
  type Job,
  type JobFilters,
} from '../../api/queries/jobs';
import { formatCount } from '../../format/size';
import { Badge } from '../../ui/Badge';
import { Button } from '../../ui/Button';
import { Card, CardBody, CardHeader } from '../../ui/Card';
import { CodeBlock } from '../../ui/Code';
import { EmptyState, ErrorState, Skeleton } from '../../ui/States';
import { Time } from '../../ui/Values';
import { words } from '../../words';
import { LiveProgress } from '../work/LiveProgress';
import { AgentLink, ClusterLink, JobLink } from '../work/links';
import { JobPill } from '../work/pills';
import { CancelJob } from './CancelJob';
import { inQueueOrder } from './queue';

const text = words.jobs;
const MOST = 200;
const UNDER_WAY = ['running', 'leased', 'committing'] as const;

export function Now({ filters, onHistory }: { filters: JobFilters; onHistory: () => void }) {
  const found = useQueries({
    queries: [
      jobs.some({ ...filters, state: 'queued' }, MOST),
      ...UNDER_WAY.map((state) => ({
        ...jobs.some({ ...filters, state }, MOST),
        refetchInterval: PROGRESS_EVERY_MILLISECONDS,
      })),
    ],
  });
  const [queued, ...underWay] = found;
  const failed = found.find(({ error, data }) => error !== null && data === undefined);
  if (failed !== undefined) {
    return <ErrorState error={failed.error} retry={() => void failed.refetch()} />;
  }
  if (found.some(({ data }) => data === undefined)) return <Waiting />;
  const running = underWay.flatMap(({ data }) => data?.items ?? []);
  const waiting = inQueueOrder(queued?.data?.items ?? []);
  if (running.length === 0 && waiting.length === 0) return <Quiet onHistory={onHistory} />;
  return (
    <div className="grid grid-cols-1 items-start gap-4 xl:grid-cols-2">
      <Card aria-label={text.running}>
        <CardHeader title={text.running} about={text.runningAbout(running.length)} />
        {running.length === 0 ? (
          <CardBody className="text-ink-2">{text.nothingRuns}</CardBody>
        ) : (
          <ul className="divide-y divide-line border-t border-line">
            {running.map((job) => (
              <Running key={job.id} job={job} />
            ))}
          </ul>
        )}
      </Card>
      <Card aria-label={text.queue}>
        <CardHeader
          title={text.queue}
          about={
            queued?.data?.more === true
              ? text.queueMore(formatCount(MOST))
              : text.queueAbout(waiting.length)
          }
        />
        {waiting.length === 0 ? (
          <CardBody className="text-ink-2">{text.nothingWaits}</CardBody>
        ) : (
          <ol className="divide-y divide-line border-t border-line">
            {waiting.map((job) => (
              <Queued key={job.id} job={job} />
            ))}
          </ol>
        )}
      </Card>
    </div>
  );
}

function Running({ job }: { job: Job }) {
  return (
    <li className="px-4 py-3.5">
      <div className="mb-2 flex flex-wrap items-center gap-x-3 gap-y-1.5">
        <Badge>{words.work.jobKinds[job.kind]}</Badge>
        <ClusterLink name={job.cluster} />
        <JobLink id={job.id} />
        <span className="flex-1" />
        <JobPill state={job.state} />
      </div>
      <LiveProgress job={job} />
      <div className="mt-1 flex items-center gap-3 text-sm text-ink-2">
        <AgentLink name={job.agent} />
        <Time at={job.startedAt ?? job.createdAt} />
        <span className="flex-1" />
        {job.cancelRequested ? <span>{text.cancelAsked}</span> : <CancelJob job={job} size="sm" />}
      </div>
    </li>
  );
}

function Queued({ job }: { job: Job }) {
  return (
    <li className="flex items-start gap-3 px-4 py-3">
      <span className="num mt-0.5 w-8 shrink-0 text-right text-lg font-semibold text-ink-3">
        {job.queuePosition == null ? (
          <span aria-label={text.noPlace}>·</span>
        ) : (
          <span aria-label={text.place(String(job.queuePosition))}>{job.queuePosition}</span>
        )}
      </span>
      <div className="min-w-0 flex-1">
        <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
          <Badge>{words.work.jobKinds[job.kind]}</Badge>
          <ClusterLink name={job.cluster} />
          <JobLink id={job.id} />
        </div>
        <p className="mt-1">
          <span className="text-ink-3">{text.waitsFor} </span>
          {job.waitingFor ?? words.common.none}
        </p>
        <div className="mt-1 flex items-center gap-3 text-sm text-ink-2">
          <Time at={job.createdAt} />
          <span className="flex-1" />
          <CancelJob job={job} size="sm" />
        </div>
      </div>
    </li>
  );
}

function Quiet({ onHistory }: { onHistory: () => void }) {
  return (
    <EmptyState
      icon={ListChecks}
      title={text.quiet.title}
      actions={<Button onClick={onHistory}>{text.quiet.history}</Button>}
    >
      <p>{text.quiet.about}</p>
      <CodeBlock
        label={text.quiet.command}
        text="holdfast backup run orders --wait"
        className="text-left"
      />
    </EmptyState>
  );
}

function Waiting() {
  return (
    <div aria-busy className="grid grid-cols-1 gap-4 xl:grid-cols-2">
      {[0, 1].map((card) => (
        <Card key={card} className="space-y-3 p-4">
          <Skeleton className="w-24" />
          <Skeleton />
          <Skeleton className="w-2/3" />
        </Card>
      ))}
    </div>
  );
}
