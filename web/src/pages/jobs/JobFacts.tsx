import type { Job } from '../../api/queries/jobs';
import { drillOfJob } from '../../api/queries/drills';
import { restoreOfJob } from '../../api/queries/restores';
import { isFinal } from '../../api/queries/jobs';
import { Duration, None, Time } from '../../ui/Values';
import { words } from '../../words';
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
  // A restore of a dump into a running server has no record of its own.
  if (job.kind === 'restore' && !isDumpRestore(job)) {
    return [{ term: text.restore, value: <RestoreLink id={restoreOfJob(job.id)} /> }];
  }
  if (job.kind === 'drill' && isFinal(job.state)) {
    return [{ term: text.drill, value: <DrillLink id={drillOfJob(job.id)} /> }];
  }
  return [];
}

function isDumpRestore({ result }: Job): boolean {
  return result != null && 'database' in result;
}
