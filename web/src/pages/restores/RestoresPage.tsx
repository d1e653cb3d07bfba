/** Every restore that somebody began, the latest first. */
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link, getRouteApi } from '@tanstack/react-router';
import { createColumnHelper } from '@tanstack/react-table';
import { DatabaseBackup, FilterX, History } from 'lucide-react';
import { restores, type Restore } from '../../api/queries/restores';
import { formatDuration } from '../../format/time';
import { Page } from '../../frame/Page';
import { DataTable } from '../../table/DataTable';
import { Button } from '../../ui/Button';
import { Select } from '../../ui/Field';
import { EmptyState, ErrorState } from '../../ui/States';
import { Duration, Time } from '../../ui/Values';
import { words } from '../../words';
import { ClusterFilter } from '../work/ClusterFilter';
import { ClusterLink, RestoreLink, WithCluster } from '../work/links';
import { MoreRows } from '../work/MoreRows';
import { RestorePill } from '../work/pills';
import { tellPoint } from '../wizard/point';
import { STATES, type RestoreSearch } from './route';

const text = words.restores;
const route = getRouteApi('/frame/restores');
const column = createColumnHelper<Restore>();
const fixed = { enableSorting: false } as const;

const columns = [
  column.accessor('id', {
    header: text.columns.id,
    ...fixed,
    meta: { width: 'minmax(8.5rem, 9.5rem)' },
    cell: ({ row: { original } }) => (
      <WithCluster name={original.cluster}>
        <RestoreLink id={original.id} />
      </WithCluster>
    ),
  }),
  column.accessor('cluster', {
    header: text.columns.cluster,
    ...fixed,
    meta: { width: 'minmax(5rem, 1fr)', from: 'sm' },
    cell: ({ getValue }) => <ClusterLink name={getValue()} />,
  }),
  column.accessor('state', {
    header: text.columns.state,
    ...fixed,
    meta: { width: '10.75rem' },
    cell: ({ getValue }) => <RestorePill state={getValue()} />,
  }),
  column.accessor('at', {
    header: text.columns.at,
    ...fixed,
    meta: { width: 'minmax(10.75rem, 1fr)', from: 'md' },
    cell: ({ getValue }) => (
      <span className="num truncate" title={getValue()}>
        {tellPoint(getValue())}
      </span>
    ),
  }),
  column.accessor((row) => text.where(row.agent, row.dir), {
    id: 'where',
    header: text.columns.where,
    ...fixed,
    meta: { width: 'minmax(7.5rem, 2fr)', from: 'xl' },
    cell: ({ getValue }) => (
      <code className="truncate text-[0.8125rem]" title={getValue()}>
        {getValue()}
      </code>
    ),
  }),
  column.accessor('plannedAt', {
    header: text.columns.began,
    ...fixed,
    meta: { width: 'minmax(5.5rem, 8rem)', from: 'sm' },
    cell: ({ getValue }) => <Time at={getValue()} />,
  }),
  column.accessor('achievedRtoSeconds', {
    header: text.columns.took,
    ...fixed,
    meta: { width: '7.5rem', align: 'end', from: 'lg' },
    cell: ({ row: { original } }) => (
      <span className="leading-tight">
        <Duration seconds={original.achievedRtoSeconds} />
        {original.predictedRtoSeconds != null && (
          <span className="num block text-xs text-ink-3">
            {text.detail.predicted(formatDuration(original.predictedRtoSeconds))}
          </span>
        )}
      </span>
    ),
  }),
  column.accessor('achievedDataLossSeconds', {
    header: text.columns.loss,
    ...fixed,
    meta: { width: '5.5rem', align: 'end', from: 'lg' },
    cell: ({ getValue }) => <Duration seconds={getValue()} />,
  }),
];

const ORDER = { column: 'plannedAt', descending: true };
const states = [
  { value: '', text: text.anyState },
  ...STATES.map((value) => ({ value, text: words.work.restoreStates[value] })),
];

export function RestoresPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const change = (changed: Partial<RestoreSearch>) =>
    void navigate({ search: (before) => ({ ...before, ...changed }), replace: true });
  const list = useInfiniteQuery(restores.list(search));
  const rows = list.data?.pages.flatMap(({ items }) => items) ?? [];
  const filtered = search.cluster !== undefined || search.state !== undefined;
  const ofCluster = search.cluster === undefined ? {} : { cluster: search.cluster };
  const begin = (
    <>
      <Button asChild>
        <Link to="/restores/dump" search={ofCluster}>
          <DatabaseBackup aria-hidden className="size-4" />
          {text.beginDump}
        </Link>
      </Button>
      <Button variant="primary" asChild>
        <Link to="/restores/new" search={ofCluster}>
          <History aria-hidden className="size-4" />
          {text.begin}
        </Link>
      </Button>
    </>
  );
  return (
    <Page title={text.title} about={text.about} actions={begin} fill>
      <div
        role="search"
        aria-label={words.work.filters}
        className="mb-3 grid grid-cols-2 gap-2 md:flex md:flex-wrap"
      >
        <ClusterFilter
          className="md:w-56"
          value={search.cluster}
          onChange={(cluster) => change({ cluster })}
        />
        <Select
          label={text.state}
          labelHidden
          className="md:w-52"
          value={search.state ?? ''}
          options={states}
          onValueChange={(value) => change({ state: STATES.find((state) => state === value) })}
        />
      </div>
      {list.error !== null && list.data === undefined ? (
        <ErrorState error={list.error} retry={() => void list.refetch()} />
      ) : (
        <>
          <DataTable
            label={text.title}
            columns={columns}
            rows={rows}
            rowId={({ id }) => id}
            sort={ORDER}
            onSort={() => {}}
            pending={list.isPending}
            empty={
              filtered ? (
                <EmptyState
                  icon={FilterX}
                  title={text.noMatch.title}
                  actions={
                    <Button onClick={() => void navigate({ search: {}, replace: true })}>
                      {words.common.clearFilters}
                    </Button>
                  }
                >
                  <p>{text.noMatch.about}</p>
                </EmptyState>
              ) : (
                <EmptyState icon={History} title={text.none.title} actions={begin}>
                  <p>{text.none.about}</p>
                </EmptyState>
              )
            }
            className="shrink"
          />
          <div className="flex flex-wrap items-center justify-between gap-x-4">
            <MoreRows count={rows.length} list={list} />
            <p className="pt-2 text-sm text-ink-3">
              {text.dumps}{' '}
              <Link
                to="/jobs"
                search={{ view: 'history', kind: 'restore', ...ofCluster }}
                className="font-medium text-ink underline underline-offset-2"
              >
                {text.dumpJobs}
              </Link>
            </p>
          </div>
        </>
      )}
    </Page>
  );
}
