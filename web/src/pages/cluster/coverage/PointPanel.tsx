/** What restoring to the chosen point means, as the API says it, and the way there. */
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { ArrowLeft, ArrowRight, History, SkipBack, SkipForward } from 'lucide-react';
import { useEffect, useState, type ReactNode } from 'react';
import { coverage as queries, type Recoverability } from '../../../api/queries/coverage';
import { formatBytes } from '../../../format/size';
import { formatDuration, formatLocal } from '../../../format/time';
import { StatusPill } from '../../../ui/Badge';
import { Button, IconButton } from '../../../ui/Button';
import { cx } from '../../../ui/cx';
import { Equivalent, shellWord } from '../../../ui/Equivalent';
import { MomentField } from '../../../ui/Moment';
import { ErrorState, Skeleton } from '../../../ui/States';
import { Bytes, Duration, Time } from '../../../ui/Values';
import { words } from '../../../words';
import { moment, type Moment } from './point';

const text = words.coverage.point;
const { kinds } = words.coverage;

export interface PointPanelProps {
  cluster: string;
  /** Undefined for the latest. */
  chosen: Moment | undefined;
  /** Where the line stands: the chosen one, or the latest there is. */
  shown: Moment;
  /** It is being dragged: what is known of the moment before is no longer so. */
  moving: boolean;
  onChoose: (moment: Moment | undefined) => void;
  onPrevious: (() => void) | undefined;
  onNext: (() => void) | undefined;
}

export function PointPanel(props: PointPanelProps) {
  const { cluster, chosen, shown, moving, onChoose, onPrevious, onNext } = props;
  const at = useSettled(chosen?.iso ?? 'latest');
  const query = useQuery(queries.point(cluster, at));
  const old = moving || query.isPlaceholderData || at !== (chosen?.iso ?? 'latest');
  const said = query.data;
  return (
    <section aria-label={text.title} className="rounded-lg border border-line bg-sunken p-4">
      <div className="flex flex-wrap items-end gap-x-1.5 gap-y-3">
        <div className="mr-auto w-full sm:w-auto">
          <h3 className="text-xs font-semibold text-ink-3">{text.title}</h3>
          <p className="num text-xl font-semibold tracking-tight">
            {chosen === undefined ? text.latest : formatLocal(new Date(chosen.at))}
          </p>
        </div>
        <IconButton
          icon={SkipBack}
          label={text.previous}
          disabled={onPrevious === undefined}
          onClick={onPrevious}
        />
        <PointField shown={shown} onChoose={onChoose} />
        <IconButton
          icon={SkipForward}
          label={text.next}
          disabled={onNext === undefined}
          onClick={onNext}
        />
        <Button
          className="sm:ml-1.5"
          disabled={chosen === undefined}
          onClick={() => onChoose(undefined)}
        >
          {text.toLatest}
        </Button>
      </div>
      <div aria-live="polite" aria-busy={old || query.isPending || undefined} className="pt-3">
        {query.error !== null && said === undefined ? (
          <ErrorState compact error={query.error} retry={() => void query.refetch()} />
        ) : said === undefined ? (
          <Waiting />
        ) : (
          <div className={cx('transition-opacity', old && 'opacity-45')}>
            <Answer said={said} onChoose={onChoose} />
          </div>
        )}
      </div>
      <footer className="mt-4 flex flex-wrap items-center gap-x-3 gap-y-2 border-t border-line pt-3">
        {said?.possible === true && !old ? (
          <Button variant="primary" asChild>
            <Link
              to={'/restores/new' as string}
              search={{ cluster, at: chosen?.iso ?? 'latest' } as never}
            >
              <History aria-hidden className="size-4" />
              {text.restore}
            </Link>
          </Button>
        ) : (
          <Button variant="primary" icon={History} disabled>
            {text.restore}
          </Button>
        )}
        <span className="text-sm text-ink-3">{text.dryAbout}</span>
        <span className="ml-auto">
          <Equivalent
            cli={`holdfast restore explain ${shellWord(cluster)} --at ${shellWord(chosen?.iso ?? 'latest')}`}
            api={{
              method: 'GET',
              path: `/api/v1/clusters/${cluster}/recoverability?at=${encodeURIComponent(chosen?.iso ?? 'latest')}`,
            }}
          />
        </span>
      </footer>
    </section>
  );
}

/** While something moves, nothing is asked. */
function useSettled(value: string): string {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), 160);
    return () => clearTimeout(timer);
  }, [value]);
  return settled;
}

function Answer({ said, onChoose }: { said: Recoverability; onChoose: (moment: Moment) => void }) {
  return said.possible ? <Possible said={said} /> : <Impossible said={said} onChoose={onChoose} />;
}

function Possible({ said }: { said: Recoverability }) {
  const others = said.repositories.filter(
    ({ possible, repository }) => possible && repository !== said.repository,
  );
  return (
    <div className="space-y-3">
      <p className="flex flex-wrap items-center gap-x-2 gap-y-1">
        <StatusPill tone="ok">{text.possible}</StatusPill>
        <span className="text-ink-2">
          {text.from}{' '}
          <Link to={`/repositories/${said.repository ?? ''}` as string} className={LINK}>
            {said.repository}
          </Link>
          {others.length > 0 && (
            <>
              {'. '}
              {text.others} {others.map(({ repository }) => repository).join(', ')}
            </>
          )}
        </span>
      </p>
      <dl className="grid grid-cols-2 gap-x-6 gap-y-3 md:grid-cols-3 xl:grid-cols-5">
        <Fact title={text.base}>
          <Link to={`/catalog/${said.backup ?? ''}` as string} className={LINK}>
            {said.backupKind == null ? said.backup : kinds[said.backupKind]}
          </Link>
          <Small>
            {text.consistent} <Time at={said.backupFinishedAt} />
            {said.databaseBytes != null && (
              <>
                {', '}
                <Bytes bytes={said.databaseBytes} />
              </>
            )}
          </Small>
        </Fact>
        <Fact title={text.wal}>
          {said.replayBytes === 0 ? text.noWal : <Bytes bytes={said.replayBytes} />}
          {said.replayBytesAtMost != null &&
            said.replayBytes != null &&
            said.replayBytesAtMost > said.replayBytes && (
              <Small>{text.walMost(formatBytes(said.replayBytesAtMost))}</Small>
            )}
        </Fact>
        <Fact title={text.recoversTo}>
          <Time at={said.recoversTo} absolute />
        </Fact>
        <Fact title={text.loss}>
          <Duration seconds={said.lossFromNowSeconds} />
          {(said.lossFromFrontierSeconds ?? 0) > 0 && (
            <Small>
              {text.givesUp}: <Duration seconds={said.lossFromFrontierSeconds} />
            </Small>
          )}
        </Fact>
        <Fact title={text.duration}>
          <Predicted said={said} />
        </Fact>
      </dl>
    </div>
  );
}

function Predicted({ said }: { said: Recoverability }) {
  const { predictedSeconds, predictedBecause, proof, copyBytesPerSecond } = said;
  return (
    <>
      {predictedSeconds == null ? (
        <span className="text-base font-normal">
          {text.unknown[predictedBecause ?? ''] ?? text.unknownOther}
        </span>
      ) : (
        <>
          <Duration seconds={predictedSeconds} />
          {copyBytesPerSecond != null && (
            <Small>{text.rates(formatBytes(copyBytesPerSecond))}</Small>
          )}
        </>
      )}
      <Small>
        {proof.proven && proof.achievedRtoSeconds != null
          ? text.proven(formatDuration(proof.achievedRtoSeconds))
          : (text.notProven[proof.because ?? ''] ?? '')}
      </Small>
    </>
  );
}

function Impossible({
  said,
  onChoose,
}: {
  said: Recoverability;
  onChoose: (moment: Moment) => void;
}) {
  const { nearestBefore: before, nearestAfter: after } = said;
  return (
    <div className="space-y-3">
      <p className="flex flex-wrap items-center gap-2">
        <StatusPill tone="bad">{text.impossible}</StatusPill>
        {said.code != null && (
          <a
            href={`/errors/${said.code}`}
            target="_blank"
            rel="noreferrer"
            className="text-ink-2 underline underline-offset-2"
          >
            <code className="text-xs">{said.code}</code>
          </a>
        )}
      </p>
      <p className="max-w-prose">{said.message}</p>
      <div className="flex flex-wrap gap-2">
        {before != null && (
          <Button
            icon={ArrowLeft}
            title={text.before}
            onClick={() => onChoose(moment(before.time))}
          >
            {formatLocal(new Date(before.time))}
          </Button>
        )}
        {after != null && (
          <Button title={text.after} onClick={() => onChoose(moment(after.time))}>
            {formatLocal(new Date(after.time))}
            <ArrowRight aria-hidden className="size-4" />
          </Button>
        )}
      </div>
    </div>
  );
}

const LINK = 'underline decoration-line-strong underline-offset-4 hover:decoration-ink';

function Fact({ title, children }: { title: string; children: ReactNode }) {
  return (
    <div className="min-w-0">
      <dt className="text-xs text-ink-3">{title}</dt>
      <dd className="num mt-0.5 text-lg leading-6 font-medium">{children}</dd>
    </div>
  );
}

function Small({ children }: { children: ReactNode }) {
  return <span className="block text-sm font-normal text-ink-2">{children}</span>;
}

function Waiting() {
  return (
    <div className="grid grid-cols-2 gap-3 md:grid-cols-3 xl:grid-cols-5">
      {Array.from({ length: 5 }, (_, index) => (
        <div key={index} className="space-y-2">
          <Skeleton className="h-3 w-20" />
          <Skeleton className="w-28" />
        </div>
      ))}
    </div>
  );
}

/** To the second, in this browser's zone. */
function PointField({ shown, onChoose }: { shown: Moment; onChoose: (moment: Moment) => void }) {
  return (
    <MomentField
      label={text.time}
      labelHidden
      seconds
      value={new Date(shown.at)}
      onChoose={(chosen) =>
        chosen !== undefined && onChoose({ at: chosen.getTime(), iso: chosen.toISOString() })
      }
      className="min-w-64 flex-1 sm:flex-none"
    />
  );
}
