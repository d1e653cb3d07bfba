/** Runs to come, and what became of those that were. */
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { CalendarClock } from 'lucide-react';
import { clusterParts } from '../../api/queries/cluster-parts';
import type { Schemas } from '../../api/client';
import { formatLocal } from '../../format/time';
import { PlainTable, type PlainColumn } from '../../table/PlainTable';
import { StatusPill, type Tone } from '../../ui/Badge';
import { Card, CardHeader } from '../../ui/Card';
import { EmptyState, ErrorState } from '../../ui/States';
import { None, Time } from '../../ui/Values';
import { words } from '../../words';

const text = words.cluster.schedule;
type Next = Schemas['List_NextRun']['items'][number];
type Run = Schemas['List_Run']['items'][number];

const nextColumns: PlainColumn<Next>[] = [
  { id: 'run', title: text.run, cell: ({ run }) => <span className="font-medium">{run}</span> },
  {
    id: 'at',
    title: text.at,
    cell: ({ at, movedFrom }) => (
      <>
        <Time at={at} absolute />
        {movedFrom != null && (
          <span className="block text-xs text-ink-3">
            {text.movedFrom(formatLocal(new Date(movedFrom)))}
          </span>
        )}
      </>
    ),
  },
  {
    id: 'starts',
    title: text.starts,
    cell: (run) =>
      run.placement === 'missed' ? (
        <StatusPill tone="bad">{text.missed}</StatusPill>
      ) : (
        <>
          <Time at={run.notBefore} />
          {run.blackoutUntil != null && (
            <span className="block text-xs text-warn">{text.blackout}</span>
          )}
        </>
      ),
  },
];

const RUN_TONES: Record<Schemas['RunState'], Tone> = {
  due: 'info',
  ran: 'ok',
  missed: 'bad',
  skipped: 'idle',
  coalesced: 'idle',
};

const runColumns: PlainColumn<Run>[] = [
  { id: 'run', title: text.run, cell: ({ schedule }) => schedule },
  {
    id: 'at',
    title: text.at,
    cell: ({ due, count }) => (
      <>
        <Time at={due} absolute /> {count > 1 && text.times(String(count))}
      </>
    ),
  },
  {
    id: 'state',
    title: text.state,
    cell: ({ state }) => <StatusPill tone={RUN_TONES[state]}>{text.states[state]}</StatusPill>,
  },
  {
    id: 'why',
    title: text.why,
    wrap: true,
    cell: ({ message, reason }) => message ?? (reason == null ? <None /> : reason.why),
  },
  {
    id: 'job',
    title: text.job,
    cell: ({ job }) =>
      job == null ? (
        <None />
      ) : (
        <Link
          to="/jobs/$job"
          params={{ job }}
          className="underline decoration-line-strong underline-offset-4"
        >
          {text.job}
        </Link>
      ),
  },
];

export function ScheduleTab({ cluster }: { cluster: string }) {
  const next = useQuery(clusterParts.schedule(cluster));
  const past = useQuery(clusterParts.runs(cluster));
  const error = (next.data === undefined && next.error) || (past.data === undefined && past.error);
  if (error) return <ErrorState error={error} retry={() => void next.refetch()} />;
  return (
    <div className="grid items-start gap-4 xl:grid-cols-2">
      <Card>
        <CardHeader title={text.next} />
        <PlainTable
          label={text.next}
          columns={nextColumns}
          rows={next.data}
          rowId={({ run, at }) => `${run}${at}`}
          empty={
            <EmptyState icon={CalendarClock} title={text.empty}>
              <p>{text.emptyAbout}</p>
            </EmptyState>
          }
        />
      </Card>
      <Card>
        <CardHeader title={text.past} />
        <PlainTable
          label={text.past}
          columns={runColumns}
          rows={past.data}
          rowId={({ id }) => id}
          empty={<EmptyState icon={CalendarClock} title={text.emptyPast} />}
        />
      </Card>
    </div>
  );
}
