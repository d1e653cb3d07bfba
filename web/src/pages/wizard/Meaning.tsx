/** What restoring to a point means, as the catalog knows it; the plan decides. */
import { useQuery } from '@tanstack/react-query';
import { ArrowLeft, ArrowRight, CircleCheck, CircleX } from 'lucide-react';
import { coverage, type Recoverability } from '../../api/queries/coverage';
import { formatBytes } from '../../format/size';
import { formatDuration, formatLocal } from '../../format/time';
import { Button } from '../../ui/Button';
import { ErrorState, Skeleton } from '../../ui/States';
import { Bytes, Duration, None, Time } from '../../ui/Values';
import { words } from '../../words';
import { Facts, Figure, MomentFigure } from '../work/Facts';
import { ErrorCode } from '../work/FailureNote';
import { BackupLink, RepositoryLink } from '../work/links';

const text = words.wizard.point;

export function Meaning({
  cluster,
  at,
  onChoose,
}: {
  cluster: string;
  at: string;
  onChoose: (at: string) => void;
}) {
  const query = useQuery(coverage.point(cluster, at));
  const said = query.data;
  if (said === undefined) {
    if (query.error !== null) {
      return <ErrorState compact error={query.error} retry={() => void query.refetch()} />;
    }
    return (
      <div aria-busy className="grid gap-3 sm:grid-cols-3">
        {[0, 1, 2].map((place) => (
          <Skeleton key={place} className="h-12" />
        ))}
      </div>
    );
  }
  return (
    <div aria-live="polite" aria-busy={query.isPlaceholderData || undefined}>
      {said.possible ? <Possible said={said} /> : <Impossible said={said} onChoose={onChoose} />}
    </div>
  );
}

function Possible({ said }: { said: Recoverability }) {
  return (
    <div className="space-y-4">
      <p className="flex items-center gap-2 font-medium text-ok">
        <CircleCheck aria-hidden className="size-4" />
        {text.possible}
      </p>
      <div className="grid grid-cols-2 gap-x-6 gap-y-4 lg:grid-cols-4">
        <MomentFigure label={text.recoversTo} at={said.recoversTo} />
        <Figure label={text.lossNow}>
          <Duration seconds={said.lossFromNowSeconds} />
        </Figure>
        <Figure label={text.lossFrontier}>
          <Duration seconds={said.lossFromFrontierSeconds} />
        </Figure>
        <Figure label={text.duration} note={durationNote(said)}>
          {said.predictedSeconds == null ? text.unknown : formatDuration(said.predictedSeconds)}
        </Figure>
      </div>
      <Facts
        facts={[
          {
            term: text.from,
            value: (
              <span className="flex flex-wrap gap-x-2">
                <BackupLink id={said.backup} />
                <Time at={said.backupFinishedAt} className="text-sm text-ink-2" />
              </span>
            ),
          },
          {
            term: text.repository,
            value: said.repository == null ? <None /> : <RepositoryLink name={said.repository} />,
          },
          {
            term: text.replay,
            value: (
              <>
                <Bytes bytes={said.replayBytes} />
                {said.replayBytesAtMost != null && said.replayBytesAtMost !== said.replayBytes && (
                  <span className="text-sm text-ink-3">
                    {' '}
                    {text.atMost(formatBytes(said.replayBytesAtMost))}
                  </span>
                )}
              </>
            ),
          },
          { term: text.bytes, value: <Bytes bytes={said.databaseBytes} /> },
        ]}
      />
    </div>
  );
}

function durationNote({ predictedBecause, proof }: Recoverability): string | undefined {
  if (predictedBecause != null) return text.because[predictedBecause] ?? predictedBecause;
  if (!proof.proven) return words.drills.notProven;
  return proof.achievedRtoSeconds == null
    ? undefined
    : text.proofYes(formatDuration(proof.achievedRtoSeconds));
}

function Impossible({ said, onChoose }: { said: Recoverability; onChoose: (at: string) => void }) {
  return (
    <div className="space-y-3">
      <p className="flex items-center gap-2 font-medium text-bad">
        <CircleX aria-hidden className="size-4" />
        {text.impossible}
      </p>
      <p>{said.message}</p>
      {said.code != null && <ErrorCode code={said.code} />}
      <div className="flex flex-wrap gap-2">
        {said.nearestBefore != null && (
          <Near label={text.before} time={said.nearestBefore.time} back onChoose={onChoose} />
        )}
        {said.nearestAfter != null && (
          <Near label={text.after} time={said.nearestAfter.time} onChoose={onChoose} />
        )}
      </div>
    </div>
  );
}

function Near({
  label,
  time,
  back = false,
  onChoose,
}: {
  label: string;
  time: string;
  back?: boolean;
  onChoose: (at: string) => void;
}) {
  const Icon = back ? ArrowLeft : ArrowRight;
  return (
    <Button className="h-auto flex-wrap py-1.5 whitespace-normal" onClick={() => onChoose(time)}>
      <Icon aria-hidden className="size-4" />
      {label}
      <span className="num font-semibold">{formatLocal(new Date(time))}</span>
    </Button>
  );
}
