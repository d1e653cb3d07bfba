/** Drills that have ended, the latest first; of one cluster, with its trend. */
import { useInfiniteQuery } from '@tanstack/react-query';
import { createColumnHelper } from '@tanstack/react-table';
import { SearchX, Target } from 'lucide-react';
import { drills, type Drill, type DrillVerdict } from '../../api/queries/drills';
import { DataTable } from '../../table/DataTable';
import { CodeBlock } from '../../ui/Code';
import { EmptyState, ErrorState } from '../../ui/States';
import { Duration, Time } from '../../ui/Values';
import { words } from '../../words';
import { AgentLink, ClusterLink, DrillLink, WithCluster } from '../work/links';
import { MoreRows } from '../work/MoreRows';
import { DrillPill } from '../work/pills';
import { Trend } from './Trend';

const text = words.drills;
const column = createColumnHelper<Drill>();
const fixed = { enableSorting: false } as const;

const columns = [
  column.accessor('id', {
    header: text.columns.id,
    ...fixed,
    meta: { width: 'minmax(8.5rem, 9.5rem)' },
    cell: ({ row: { original } }) => (
      <WithCluster name={original.cluster}>
        <DrillLink id={original.id} />
      </WithCluster>
    ),
  }),
  column.accessor('cluster', {
    header: text.columns.cluster,
    ...fixed,
    meta: { width: 'minmax(5rem, 2fr)', from: 'sm' },
    cell: ({ getValue }) => <ClusterLink name={getValue()} />,
  }),
  column.accessor('verdict', {
    header: text.columns.verdict,
    ...fixed,
    meta: { width: '7rem' },
    cell: ({ getValue }) => <DrillPill verdict={getValue()} />,
  }),
  column.accessor('finishedAt', {
    header: text.columns.finished,
    ...fixed,
    meta: { width: 'minmax(6rem, 1fr)' },
    cell: ({ getValue }) => <Time at={getValue()} />,
  }),
  column.accessor((drill) => drill.achievedRtoSeconds ?? undefined, {
    id: 'rto',
    header: text.columns.rto,
    ...fixed,
    meta: { width: '8rem', align: 'end', from: 'md' },
    cell: ({ getValue }) => <Duration seconds={getValue()} />,
  }),
  column.accessor((drill) => drill.achievedRpoSeconds ?? undefined, {
    id: 'rpo',
    header: text.columns.rpo,
    ...fixed,
    meta: { width: '8rem', align: 'end', from: 'lg' },
    cell: ({ getValue }) => <Duration seconds={getValue()} />,
  }),
  column.accessor('checks', {
    header: text.columns.checks,
    ...fixed,
    meta: { width: '6.5rem', from: 'lg' },
    cell: ({ getValue }) => {
      const checks = getValue();
      return (
        <span className="num">
          {text.checksOf(checks.filter(({ passed }) => passed).length, checks.length)}
        </span>
      );
    },
  }),
  column.accessor('agent', {
    header: text.columns.agent,
    ...fixed,
    meta: { width: 'minmax(6rem, 1fr)', from: 'xl' },
    cell: ({ getValue }) => <AgentLink name={getValue()} />,
  }),
];

const ORDER = { column: 'finishedAt', descending: true };

export function Results({
  cluster,
  verdict,
}: {
  cluster: string | undefined;
  verdict: DrillVerdict | undefined;
}) {
  const list = useInfiniteQuery(drills.list({ cluster, verdict }));
  const rows = list.data?.pages.flatMap(({ items }) => items) ?? [];
  if (list.error !== null && list.data === undefined) {
    return <ErrorState error={list.error} retry={() => void list.refetch()} />;
  }
  const filtered = cluster !== undefined || verdict !== undefined;
  return (
    <>
      {cluster === undefined ? (
        rows.length > 0 && <p className="mb-3 text-ink-2">{text.trend.choose}</p>
      ) : (
        <Trend cluster={cluster} drills={rows} />
      )}
      <DataTable
        label={text.views.results}
        columns={columns}
        rows={rows}
        rowId={({ id }) => id}
        sort={ORDER}
        onSort={() => {}}
        pending={list.isPending}
        empty={filtered ? <NoMatch /> : <NoDrill />}
        className="max-h-[calc(100dvh-19rem)]"
      />
      <MoreRows count={rows.length} list={list} />
    </>
  );
}

function NoDrill() {
  return (
    <EmptyState icon={Target} title={text.none.title}>
      <p>{text.none.about}</p>
      <CodeBlock
        label={text.none.command}
        text="holdfast drill run orders --wait"
        className="text-left"
      />
    </EmptyState>
  );
}

function NoMatch() {
  return (
    <EmptyState icon={SearchX} title={text.noMatch.title}>
      <p>{text.noMatch.about}</p>
    </EmptyState>
  );
}
