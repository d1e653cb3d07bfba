/** What its agent does: live progress and phases while it runs, where the time went after. */
import { useQuery } from '@tanstack/react-query';
import { isFinal, jobs } from '../../api/queries/jobs';
import type { Restore } from '../../api/queries/restores';
import { useNow } from '../../live/now';
import { Card, CardBody, CardHeader } from '../../ui/Card';
import { ErrorState, Skeleton } from '../../ui/States';
import { words } from '../../words';
import { JobLink } from '../work/links';
import { LiveProgress } from '../work/LiveProgress';
import { Phases } from '../work/Phases';
import { phasesOf } from '../work/phases';

const text = words.restores.detail.run;

export function Run({ restore }: { restore: Restore }) {
  const { job } = restore;
  return (
    <Card>
      <CardHeader title={text.title} actions={job != null && <JobLink id={job} />} />
      <CardBody>
        {job == null ? <p className="text-ink-2">{text.noJob}</p> : <JobOf id={job} />}
      </CardBody>
    </Card>
  );
}

function JobOf({ id }: { id: string }) {
  const query = useQuery(jobs.detail(id));
  const now = useNow();
  const job = query.data;
  if (job === undefined) {
    return query.error === null ? (
      <Skeleton className="w-2/3" />
    ) : (
      <ErrorState compact error={query.error} />
    );
  }
  const last = job.attempts?.at(-1)?.attempt;
  return (
    <div className="space-y-4">
      {job.state === 'queued' && job.waitingFor != null && <p>{text.waits(job.waitingFor)}</p>}
      {!isFinal(job.state) && job.state !== 'queued' && <LiveProgress job={job} />}
      {last !== undefined && <Phases phases={phasesOf(job, last, now)} />}
    </div>
  );
}
