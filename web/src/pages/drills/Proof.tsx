/** What is proven of each cluster, the unproven first. */
import { createColumnHelper } from '@tanstack/react-table';
import { ShieldQuestionMark } from 'lucide-react';
import { useMemo } from 'react';
import { useWholeList } from '../../api/pages';
import { exposure, type Exposure } from '../../api/queries/exposure';
import { formatCount } from '../../format/size';
import { readSort, writeSort, type Sort } from '../../search/search';
import { DataTable } from '../../table/DataTable';
import { EmptyState, ErrorState } from '../../ui/States';
import { Duration, None, Time } from '../../ui/Values';
import { words } from '../../words';
import { ClusterLink, DrillLink } from '../work/links';
import { ProofPill } from './ProofPill';
import { RunDrill } from './RunDrill';
import type { DrillSearch } from './route';

const text = words.drills;
const column = createColumnHelper<Exposure>();

const columns = [
  column.accessor('cluster', {
    header: text.columns.cluster,
    meta: { width: 'minmax(6rem, 2fr)' },
    cell: ({ getValue }) => <ClusterLink name={getValue()} />,
  }),
  column.accessor((row) => (row.proof?.proven === true ? 1 : 0), {
    id: 'proof',
    header: text.columns.proof,
    meta: { width: '9rem' },
    cell: ({ row: { original } }) => <ProofPill proven={original.proof?.proven ?? false} />,
  }),
  column.accessor((row) => row.proof?.because ?? undefined, {
    id: 'why',
    header: text.columns.why,
    enableSorting: false,
    meta: { width: 'minmax(10rem, 2fr)', from: 'lg' },
    cell: ({ getValue }) => {
      const because = getValue();
      return because === undefined ? <None /> : <span>{text.because[because]}</span>;
    },
  }),
  column.accessor((row) => row.proof?.drilledAt ?? undefined, {
    id: 'drilled',
    header: text.columns.drilled,
    meta: { width: 'minmax(7rem, 1fr)', from: 'md' },
    cell: ({ getValue }) => <Time at={getValue()} />,
  }),
  column.accessor((row) => row.proof?.drill ?? undefined, {
    id: 'drill',
    header: text.columns.id,
    enableSorting: false,
    meta: { width: '9.5rem', from: 'xl' },
    cell: ({ getValue }) => <DrillLink id={getValue()} />,
  }),
  column.accessor((row) => row.proof?.achievedRtoSeconds ?? undefined, {
    id: 'rto',
    header: text.columns.rto,
    meta: { width: '8rem', align: 'end', from: 'sm' },
    cell: ({ getValue }) => <Duration seconds={getValue()} />,
  }),
  column.display({
    id: 'run',
    header: () => <span className="sr-only">{text.columns.run}</span>,
    meta: { width: '4rem', align: 'end' },
    cell: ({ row: { original } }) => <RunDrill cluster={original.cluster} compact />,
  }),
];

export function Proof({
  cluster,
  sort,
  onSort,
}: {
  cluster: string | undefined;
  sort: DrillSearch['sort'];
  onSort: (sort: DrillSearch['sort']) => void;
}) {
  const list = useWholeList(exposure.list());
  const rows = useMemo(
    () => list.items.filter((row) => cluster === undefined || row.cluster === cluster),
    [list.items, cluster],
  );
  if (list.error !== null && list.items.length === 0) {
    return <ErrorState error={list.error} retry={list.retry} />;
  }
  const proven = rows.filter(({ proof }) => proof?.proven === true).length;
  return (
    <>
      {list.complete && rows.length > 0 && (
        <p className="num mb-3 text-ink-2">
          {text.summary(formatCount(proven), formatCount(rows.length))}
        </p>
      )}
      <DataTable
        label={text.views.proof}
        columns={columns}
        rows={rows}
        rowId={(row) => row.cluster}
        sort={readSort(sort ?? 'proof')}
        onSort={(next: Sort) => onSort(writeSort(next) as DrillSearch['sort'])}
        pending={list.pending}
        empty={
          <EmptyState icon={ShieldQuestionMark} title={text.noProof.title}>
            <p>{text.noProof.about}</p>
          </EmptyState>
        }
        className="max-h-[calc(100dvh-19rem)]"
      />
    </>
  );
}
