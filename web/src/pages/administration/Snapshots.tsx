/** Snapshots of the control plane's own state: how often, the last, and each. */
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Camera, CircleCheck, CircleX, Clock, TriangleAlert } from 'lucide-react';
import { useState } from 'react';
import { ConfirmAct } from '../../acts/ConfirmAct';
import { useAct } from '../../acts/useAct';
import { useWholeList } from '../../api/pages';
import { endSnapshots, snapshots, type StateSnapshot } from '../../api/queries/nodes';
import { StatusPill } from '../../ui/Badge';
import { Button } from '../../ui/Button';
import { Card, CardBody, CardHeader } from '../../ui/Card';
import { Prose } from '../../ui/Prose';
import { SmallTable } from '../../ui/SmallTable';
import { EmptyState, ErrorState, Skeleton } from '../../ui/States';
import { Bytes, None, Time } from '../../ui/Values';
import { words } from '../../words';
import { Block } from './Block';
import { ScheduleSnapshots, TakeSnapshot } from './SnapshotActs';

const text = words.administration.snapshots;
const LOOKS: Record<string, { tone: 'ok' | 'bad' | 'info'; icon: typeof Clock }> = {
  available: { tone: 'ok', icon: CircleCheck },
  failed: { tone: 'bad', icon: CircleX },
  requested: { tone: 'info', icon: Clock },
};

export function Snapshots() {
  const list = useWholeList(snapshots.list());
  const [taking, setTaking] = useState(false);
  return (
    <div className="space-y-4">
      <Settings />
      <Block
        title={text.list}
        about={text.about}
        error={list.items.length === 0 ? list.error : null}
        retry={list.retry}
        actions={
          <Button variant="primary" size="sm" icon={Camera} onClick={() => setTaking(true)}>
            {text.take}
          </Button>
        }
      >
        <SmallTable<StateSnapshot>
          label={text.list}
          pending={list.pending}
          rows={list.items}
          rowId={({ id }) => id}
          className="max-h-[32rem] overflow-y-auto"
          empty={
            <EmptyState icon={Camera} title={text.empty.title}>
              <p>{text.empty.about}</p>
            </EmptyState>
          }
          columns={[
            {
              name: text.columns.taken,
              cell: ({ takenAt, requestedAt }) => <Time at={takenAt ?? requestedAt} />,
            },
            {
              name: text.columns.state,
              cell: ({ state, error }) => (
                <span>
                  <StatusPill
                    tone={LOOKS[state]?.tone ?? 'info'}
                    icon={LOOKS[state]?.icon ?? Clock}
                  >
                    {text.states[state] ?? state}
                  </StatusPill>
                  <Why error={error} />
                </span>
              ),
            },
            {
              name: text.columns.repository,
              cell: ({ repository }) => <Place name={repository} />,
            },
            {
              name: text.columns.size,
              from: 'md',
              align: 'end',
              cell: ({ storedBytes }) => <Bytes bytes={storedBytes} />,
            },
            {
              name: text.columns.index,
              from: 'lg',
              align: 'end',
              cell: ({ index }) =>
                index === null || index === undefined ? (
                  <None />
                ) : (
                  <span className="num">{index.toLocaleString('en-US')}</span>
                ),
            },
            { name: text.columns.node, from: 'lg', cell: ({ node }) => node ?? <None /> },
          ]}
        />
      </Block>
      {taking && <TakeSnapshot onClose={() => setTaking(false)} />}
    </div>
  );
}

function Settings() {
  const query = useQuery(snapshots.settings());
  const [changing, setChanging] = useState(false);
  const [ending, setEnding] = useState(false);
  const end = useAct({
    run: () => endSnapshots(),
    stale: ['state-snapshots', 'status'],
    said: () => text.turnedOff,
    onDone: () => setEnding(false),
  });
  const settings = query.data ?? undefined;
  return (
    <Card>
      <CardHeader
        title={text.settings}
        actions={
          <div className="flex gap-2">
            {settings !== undefined && (
              <Button size="sm" variant="ghost" onClick={() => setEnding(true)}>
                {text.turnOff}
              </Button>
            )}
            <Button size="sm" onClick={() => setChanging(true)}>
              {settings === undefined ? text.schedule : text.change}
            </Button>
          </div>
        }
      />
      <CardBody className="space-y-2">
        {query.error !== null && <ErrorState compact error={query.error} />}
        {query.isPending && <Skeleton className="w-1/2" />}
        {query.isSuccess && settings === undefined && (
          <p className="flex gap-2 text-warn">
            <TriangleAlert aria-hidden className="mt-0.5 size-4 shrink-0" />
            {text.off}
          </p>
        )}
        {settings !== undefined && (
          <>
            <p>{text.every(settings.every, settings.keep, settings.repository)}</p>
            <p className="flex flex-wrap items-center gap-2 text-ink-2">
              {text.last} <Time at={settings.lastTakenAt} />
              {settings.late && <StatusPill tone="bad">{text.late}</StatusPill>}
            </p>
            {settings.error !== null && settings.error !== undefined && (
              <div className="rounded-lg bg-bad-soft p-3">
                <p className="font-semibold text-bad">{text.lastError}</p>
                <Why error={settings.error} />
              </div>
            )}
            <p className="text-sm text-ink-2">
              {text.keys}{' '}
              <Link
                to="/repositories/$repository"
                params={{ repository: settings.repository }}
                className="rounded-sm font-medium text-accent hover:underline"
              >
                {text.toKey}
              </Link>
            </p>
          </>
        )}
      </CardBody>
      {changing && <ScheduleSnapshots settings={settings} onClose={() => setChanging(false)} />}
      <ConfirmAct
        open={ending}
        onOpenChange={setEnding}
        title={text.offTitle}
        action={text.turnOff}
        act={end}
        onConfirm={() => end.mutate()}
        equivalent={{
          cli: 'holdfast snapshot schedule --off',
          api: { method: 'DELETE', path: '/api/v1/state-snapshots/settings' },
        }}
      >
        <p>{text.offAbout}</p>
      </ConfirmAct>
    </Card>
  );
}

/** The API gives it as any failure: code, message, hint. */
function Why({ error }: { error: unknown }) {
  if (typeof error !== 'object' || error === null) return null;
  const { message, hint } = error as Record<string, unknown>;
  return (
    <span className="mt-1 block max-w-prose text-sm text-ink-2">
      {typeof message === 'string' && <span className="block">{message}</span>}
      {typeof hint === 'string' && (
        <span className="block">
          <Prose text={hint} />
        </span>
      )}
    </span>
  );
}

function Place({ name }: { name: string }) {
  return (
    <Link
      to="/repositories/$repository"
      params={{ repository: name }}
      className="rounded-sm hover:underline"
    >
      {name}
    </Link>
  );
}
