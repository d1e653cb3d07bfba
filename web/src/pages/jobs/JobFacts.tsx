import { useQuery } from '@tanstack/react-query';
import { isApiError } from '../../api/problem';
import type { Job } from '../../api/queries/jobs';
import { drillOfJob } from '../../api/queries/drills';
import { restoreOfJob, restores } from '../../api/queries/restores';
import { isFinal } from '../../api/queries/jobs';
import { Duration, None, Time } from '../../ui/Values';
import { words } from '../../words';
import { restoredOf } from '../dumps/draft';
import { Facts, type Fact } from '../work/Facts';
import {
  AgentLink,
  BackupLink,
  ClusterLink,
  DrillLink,
  RepositoryLink,
  RestoreLink,
} from '../work/links';
import { tookSeconds } from '../work/took';

const text = words.jobs.facts;

export function JobFacts({ job }: { job: Job }) {
  const facts: Fact[] = [
    { term: text.cluster, value: <ClusterLink name={job.cluster} /> },
    {
      term: text.repository,
      value: job.repository === '' ? <None /> : <RepositoryLink name={job.repository} />,
    },
    { term: text.agent, value: <AgentLink name={job.agent} /> },
    { term: text.ordered, value: orderedBy(job) },
    { term: text.created, value: <Time at={job.createdAt} /> },
    { term: text.started, value: <Time at={job.startedAt} /> },
    { term: text.finished, value: <Time at={job.finishedAt} /> },
    { term: text.took, value: <Duration seconds={tookSeconds(job)} /> },
    ...relatedTo(job),
  ];
  return <Facts facts={facts} />;
}

function orderedBy({ run, because }: Job): string {
  if (because != null) return `${text.bySelf}: ${because}`;
  return run == null ? text.byHand : text.bySchedule;
}

function relatedTo(job: Job): Fact[] {
  if (job.backup != null) return [{ term: text.backup, value: <BackupLink id={job.backup} /> }];
  if (job.kind === 'restore') {
    return [{ term: text.restore, value: <RestoreOf job={job} /> }];
  }
  if (job.kind === 'drill' && isFinal(job.state)) {
    return [{ term: text.drill, value: <DrillLink id={drillOfJob(job.id)} /> }];
  }
  return [];
}

/** A restore of a dump into a running server has no record of its own, which only asking tells. */
function RestoreOf({ job }: { job: Job }) {
  const id = restoreOfJob(job.id);
  const known = restoredOf(job.result) !== undefined;
  const query = useQuery({ ...restores.detail(id), enabled: !known });
  const none = isApiError(query.error) && query.error.status === 404;
  return known || none ? words.dumps.intoServer : <RestoreLink id={id} />;
}
