/** A plan: what would be there, what is lost, how long it takes, and what it rests on. */
import { CircleCheck, TriangleAlert } from 'lucide-react';
import type { Schemas } from '../../api/client';
import { formatBytes, formatCount } from '../../format/size';
import { formatDuration, formatLocal } from '../../format/time';
import { CopyButton } from '../../ui/Code';
import { Bytes, Lsn, None, Time } from '../../ui/Values';
import { words } from '../../words';
import { Facts, Figure, MomentFigure } from '../work/Facts';
import { FailureNote } from '../work/FailureNote';
import { AgentLink, BackupLink, RepositoryLink } from '../work/links';
import { version } from '../work/version';

const text = words.wizard.plan;

export interface Predicted {
  planHash?: string | null;
  predictedDataLossSeconds?: number | null;
  predictedRtoSeconds?: number | null;
  agent: string;
  repository?: string | null;
}

export function PlanView({
  plan,
  predicted,
}: {
  plan: Schemas['RestorePlan'];
  predicted: Predicted;
}) {
  return (
    <div className="space-y-5">
      <Verdict plan={plan} />
      <Figures plan={plan} predicted={predicted} />
      <Facts facts={factsOf(plan, predicted)} />
    </div>
  );
}

function Verdict({ plan: { problems, warnings } }: { plan: Schemas['RestorePlan'] }) {
  return (
    <div className="space-y-2">
      {problems.length === 0 ? (
        <p className="flex items-center gap-2 font-medium text-ok">
          <CircleCheck aria-hidden className="size-4" />
          {text.ok}
        </p>
      ) : (
        <>
          <p className="num font-medium text-bad">{text.problems(problems.length)}</p>
          {problems.map((problem) => (
            <FailureNote key={problem.code + problem.message} failure={problem} />
          ))}
        </>
      )}
      {warnings.length > 0 && (
        <div className="rounded-md border border-line bg-warn-soft p-3">
          <p className="flex items-center gap-2 font-medium text-warn">
            <TriangleAlert aria-hidden className="size-4" />
            {text.warnings}
          </p>
          <ul className="mt-1 list-inside list-disc">
            {warnings.map((warning) => (
              <li key={warning}>{warning}</li>
            ))}
          </ul>
        </div>
      )}
    </div>
  );
}

function Figures({
  plan,
  predicted: { predictedDataLossSeconds: loss, predictedRtoSeconds: rto },
}: {
  plan: Schemas['RestorePlan'];
  predicted: Predicted;
}) {
  return (
    <div className="grid grid-cols-2 gap-x-6 gap-y-4 lg:grid-cols-4">
      <MomentFigure
        label={text.recoversTo}
        at={plan.recoversTo}
        note={
          plan.lastCommitAt == null
            ? undefined
            : text.lastCommit(formatLocal(new Date(plan.lastCommitAt)))
        }
      />
      <Figure label={text.loss} note={loss == null ? undefined : text.lossNote}>
        {loss == null ? (
          <span className="text-base font-medium whitespace-normal">{text.lossExact}</span>
        ) : (
          formatDuration(loss)
        )}
      </Figure>
      <Figure label={text.duration} note={rto == null ? text.durationUnknownNote : undefined}>
        {rto == null ? text.durationUnknown : formatDuration(rto)}
      </Figure>
      <Figure
        label={text.fetch}
        note={
          plan.reuseBytes == null
            ? text.ofDatabase(formatBytes(plan.databaseBytes))
            : `${text.ofDatabase(formatBytes(plan.databaseBytes))}, ${text.reuse(formatBytes(plan.reuseBytes))}`
        }
      >
        <Bytes bytes={plan.fetchBytes} />
      </Figure>
    </div>
  );
}

function factsOf(plan: Schemas['RestorePlan'], predicted: Predicted) {
  const { facts } = text;
  const { repository, planHash } = predicted;
  return [
    { term: facts.agent, value: <AgentLink name={predicted.agent} /> },
    {
      term: facts.repository,
      value: repository == null ? <None /> : <RepositoryLink name={repository} />,
    },
    { term: facts.backup, value: <BackupLink id={plan.backup} /> },
    { term: facts.consistent, value: <Time absolute at={plan.backupFinishedAt} /> },
    {
      term: facts.wal,
      value: (
        <>
          <Lsn at={plan.wal.fromLsn} /> – <Lsn at={plan.wal.toLsn} />
          <span className="num block text-sm text-ink-3">
            {facts.segments(formatCount(plan.wal.segments))}
          </span>
        </>
      ),
    },
    { term: facts.ends, value: <Lsn at={plan.wal.lastRecordLsn} /> },
    { term: facts.timeline, value: plan.timeline },
    { term: facts.version, value: version(plan.serverVersion) ?? <None /> },
    ...(plan.stopBefore == null
      ? []
      : [{ term: facts.before, value: <Lsn at={plan.stopBefore.recordLsn} /> }]),
    ...(plan.walDirectory == null
      ? []
      : [{ term: facts.walDirectory, value: <code>{plan.walDirectory}</code> }]),
    ...((plan.tablespaces ?? []).length === 0
      ? []
      : [{ term: text.tablespaces, wide: true, value: tablespaces(plan.tablespaces ?? []) }]),
    ...(planHash == null
      ? []
      : [
          {
            term: facts.hash,
            wide: true,
            value: (
              <span className="flex min-w-0 items-center gap-1">
                <code className="min-w-0 truncate text-[0.8125rem]">{planHash}</code>
                <CopyButton text={planHash} label={words.common.copy(facts.hash)} />
              </span>
            ),
          },
        ]),
  ];
}

function tablespaces(planned: readonly Schemas['PlannedTablespace'][]) {
  return (
    <ul>
      {planned.map(({ oid, from, to, bytes }) => (
        <li key={oid}>
          <code className="text-[0.8125rem]">{text.tablespace(from, to)}</code>{' '}
          <Bytes bytes={bytes} className="text-sm text-ink-2" />
        </li>
      ))}
    </ul>
  );
}
