/** Every job that fits, the newest first, page by page. */
import { useInfiniteQuery } from '@tanstack/react-query';
import { createColumnHelper } from '@tanstack/react-table';
import { SearchX } from 'lucide-react';
import { jobs, type Job, type JobFilters } from '../../api/queries/jobs';
import { DataTable } from '../../table/DataTable';
import { Badge } from '../../ui/Badge';
import { EmptyState, ErrorState } from '../../ui/States';
import { Duration, None, Time } from '../../ui/Values';
import { words } from '../../words';
import { AgentLink, ClusterLink, JobLink, RepositoryLink, WithCluster } from '../work/links';
import { MoreRows } from '../work/MoreRows';
import { JobPill } from '../work/pills';
import { tookSeconds } from '../work/took';

const text = words.jobs;
const column = createColumnHelper<Job>();
const fixed = { enableSorting: false } as const;

const columns = [
  column.accessor('id', {
    header: text.columns.id,
    ...fixed,
    meta: { width: 'minmax(8.5rem, 9.5rem)' },
    cell: ({ row: { original } }) => (
      <WithCluster name={original.cluster}>
        <JobLink id={original.id} />
      </WithCluster>
    ),
  }),
  column.accessor('cluster', {
    header: text.columns.cluster,
    ...fixed,
    meta: { width: 'minmax(5rem, 2fr)', from: 'sm' },
    cell: ({ getValue }) => <ClusterLink name={getValue()} />,
  }),
  column.accessor('kind', {
    header: text.columns.kind,
    ...fixed,
    meta: { width: '6.5rem', from: 'md' },
    cell: ({ getValue }) => <Badge>{words.work.jobKinds[getValue()]}</Badge>,
  }),
  column.accessor('state', {
    header: text.columns.state,
    ...fixed,
    meta: { width: '8rem' },
    cell: ({ getValue }) => <JobPill state={getValue()} />,
  }),
  column.accessor('createdAt', {
    header: text.columns.created,
    ...fixed,
    meta: { width: 'minmax(6rem, 1fr)' },
    cell: ({ getValue }) => <Time at={getValue()} />,
  }),
  column.accessor((job) => tookSeconds(job), {
    id: 'took',
    header: text.columns.took,
    ...fixed,
    meta: { width: '7rem', align: 'end', from: 'lg' },
    cell: ({ getValue }) => <Duration seconds={getValue()} />,
  }),
  column.accessor('agent', {
    header: text.columns.agent,
    ...fixed,
    meta: { width: 'minmax(6rem, 1fr)', from: 'lg' },
    cell: ({ getValue }) => <AgentLink name={getValue()} />,
  }),
  column.accessor('repository', {
    header: text.columns.repository,
    ...fixed,
    meta: { width: 'minmax(6rem, 1fr)', from: 'xl' },
    cell: ({ getValue }) => (getValue() === '' ? <None /> : <RepositoryLink name={getValue()} />),
  }),
];

/** The API lists by age; there is one order. */
const ORDER = { column: 'createdAt', descending: true };

export function History({ filters }: { filters: JobFilters }) {
  const list = useInfiniteQuery(jobs.list(filters));
  const rows = list.data?.pages.flatMap(({ items }) => items) ?? [];
  if (list.error !== null && list.data === undefined) {
    return <ErrorState error={list.error} retry={() => void list.refetch()} />;
  }
  return (
    <>
      <DataTable
        label={text.views.history}
        columns={columns}
        rows={rows}
        rowId={({ id }) => id}
        sort={ORDER}
        onSort={() => {}}
        pending={list.isPending}
        empty={
          <EmptyState icon={SearchX} title={text.none.title}>
            <p>{text.none.about}</p>
          </EmptyState>
        }
        className="max-h-[calc(100dvh-19rem)]"
      />
      <MoreRows count={rows.length} list={list} />
    </>
  );
}
