/** One job: how far it is, each attempt, what it gave and what it logged. */
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { Hourglass } from 'lucide-react';
import { isFinal, jobs, type Job } from '../../api/queries/jobs';
import { Page } from '../../frame/Page';
import { useNow } from '../../live/now';
import { Card, CardBody, CardHeader } from '../../ui/Card';
import { Equivalent } from '../../ui/Equivalent';
import { words } from '../../words';
import { Await } from '../work/Await';
import { FailureNote } from '../work/FailureNote';
import { LiveProgress } from '../work/LiveProgress';
import { Phases } from '../work/Phases';
import { phasesOf } from '../work/phases';
import { JobPill } from '../work/pills';
import { Attempts, LateResults } from './Attempts';
import { CancelJob } from './CancelJob';
import { JobFacts } from './JobFacts';
import { JobResult } from './JobResult';
import { Logs } from './Logs';
import { RestoredCard } from './RestoredCard';

const text = words.jobs;
const route = getRouteApi('/frame/jobs/$job');

export function JobPage() {
  const { job: id } = route.useParams();
  const query = useQuery(jobs.detail(id));
  const job = query.data;
  return (
    <Page
      title={job === undefined ? id : text.jobOf(words.work.jobKinds[job.kind], job.cluster)}
      about={<code className="text-sm break-all">{id}</code>}
      actions={
        job !== undefined && (
          <>
            <Equivalent
              cli={`holdfast job show ${id}`}
              api={{ method: 'GET', path: `/api/v1/jobs/${id}` }}
            />
            {!isFinal(job.state) && !job.cancelRequested && <CancelJob job={job} />}
          </>
        )
      }
    >
      <Await query={query}>{(found) => <Found job={found} />}</Await>
    </Page>
  );
}

function Found({ job }: { job: Job }) {
  const running = !isFinal(job.state) && job.state !== 'queued';
  return (
    <div className="grid grid-cols-1 items-start gap-4 xl:grid-cols-[minmax(0,1fr)_22rem]">
      <div className="min-w-0 space-y-4">
        <Card>
          <CardBody className="space-y-4 pt-4">
            <div className="flex flex-wrap items-center gap-3">
              <JobPill state={job.state} />
              {job.cancelRequested && <p className="text-ink-2">{text.cancelAsked}</p>}
            </div>
            {job.state === 'queued' && <Waits job={job} />}
            {running && <LiveProgress job={job} />}
            {job.error != null && <FailureNote failure={job.error} />}
            <PhasesOfLast job={job} />
          </CardBody>
        </Card>
        <RestoredCard job={job} />
        <Card>
          <CardHeader title={text.attempts} about={text.attemptsAbout} />
          <Attempts job={job} />
        </Card>
        {(job.lateResults ?? []).length > 0 && (
          <Card>
            <CardHeader title={text.late} about={text.lateAbout} />
            <CardBody>
              <LateResults results={job.lateResults ?? []} />
            </CardBody>
          </Card>
        )}
        <Logs id={job.id} live={running} />
      </div>
      <div className="min-w-0 space-y-4">
        <Card className="p-4">
          <JobFacts job={job} />
        </Card>
        {job.result != null && (
          <Card>
            <CardHeader title={text.result} />
            <CardBody>
              <JobResult result={job.result} />
            </CardBody>
          </Card>
        )}
      </div>
    </div>
  );
}

function Waits({ job }: { job: Job }) {
  return (
    <div className="flex items-start gap-2.5 rounded-md bg-idle-soft p-3">
      <Hourglass aria-hidden className="mt-0.5 size-4 shrink-0 text-idle" />
      <div>
        <p className="font-medium">{text.waiting}</p>
        <p>{job.waitingFor ?? text.noPlace}</p>
        {job.queuePosition != null && (
          <p className="num text-sm text-ink-2">{text.place(String(job.queuePosition))}</p>
        )}
      </div>
    </div>
  );
}

function PhasesOfLast({ job }: { job: Job }) {
  const now = useNow();
  const last = job.attempts?.at(-1)?.attempt;
  return last === undefined ? null : <Phases phases={phasesOf(job, last, now)} />;
}
