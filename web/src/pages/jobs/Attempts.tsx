/** One line a try, with the generation under which it counted. */
import type { Schemas } from '../../api/client';
import type { Job } from '../../api/queries/jobs';
import { useNow } from '../../live/now';
import { Duration, Time } from '../../ui/Values';
import { words } from '../../words';
import { FailureNote } from '../work/FailureNote';
import { AgentLink, BackupLink } from '../work/links';
import { between } from '../work/took';

const text = words.jobs.attempt;

export function Attempts({ job }: { job: Job }) {
  const now = useNow();
  const attempts = job.attempts ?? [];
  if (attempts.length === 0) {
    return <p className="px-4 pb-4 text-ink-2">{words.jobs.noAttempt}</p>;
  }
  return (
    <div className="scroll-quiet overflow-x-auto">
      <table className="w-full min-w-[34rem] border-t border-line text-left">
        <thead className="bg-sunken text-xs text-ink-2">
          <tr>
            {[text.number, text.generation, text.agent, text.leased, text.took, text.outcome].map(
              (head) => (
                <th key={head} scope="col" className="px-4 py-2 font-semibold">
                  {head}
                </th>
              ),
            )}
          </tr>
        </thead>
        <tbody className="num divide-y divide-line border-t border-line align-top">
          {attempts.map((attempt) => (
            <tr key={attempt.attempt}>
              <td className="px-4 py-2 font-medium">{attempt.attempt}</td>
              <td className="px-4 py-2">{attempt.generation}</td>
              <td className="px-4 py-2">
                <AgentLink name={attempt.agent} />
              </td>
              <td className="px-4 py-2">
                <Time at={attempt.leasedAt} />
              </td>
              <td className="px-4 py-2">
                <Duration
                  seconds={between(
                    attempt.leasedAt,
                    attempt.endedAt ?? new Date(now).toISOString(),
                  )}
                />
              </td>
              <td className="px-4 py-2">
                {attempt.outcome ?? text.underWay}
                {attempt.error != null && attempt.error.code !== job.error?.code && (
                  <p className="text-sm text-bad">{attempt.error.message}</p>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function LateResults({ results }: { results: readonly Schemas['LateResult'][] }) {
  return (
    <ul className="space-y-3">
      {results.map((late) => (
        <li key={`${late.attempt}-${late.at}`} className="space-y-1.5">
          <p className="flex flex-wrap items-center gap-x-3">
            <span className="font-medium">{words.jobs.lateOf(late.attempt, late.outcome)}</span>
            <AgentLink name={late.agent} />
            <Time at={late.at} className="text-sm text-ink-2" />
            {late.backup != null && <BackupLink id={late.backup} />}
          </p>
          {late.backupRecorded && <p>{words.jobs.lateRecorded}</p>}
          <FailureNote tone="warn" failure={late.refused} />
        </li>
      ))}
    </ul>
  );
}
