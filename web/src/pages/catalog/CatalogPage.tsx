/** Every backup of every cluster, the newest first. */
import { useInfiniteQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { createColumnHelper } from '@tanstack/react-table';
import { Archive, FilterX, Lock } from 'lucide-react';
import { backups, type Backup } from '../../api/queries/backups';
import { Page } from '../../frame/Page';
import { DataTable } from '../../table/DataTable';
import { Badge } from '../../ui/Badge';
import { Button } from '../../ui/Button';
import { CodeBlock } from '../../ui/Code';
import { EmptyState, ErrorState } from '../../ui/States';
import { Bytes, None, Time } from '../../ui/Values';
import { words } from '../../words';
import { BackupLink, ClusterLink, RepositoryLink, WithCluster } from '../work/links';
import { MoreRows } from '../work/MoreRows';
import { BackupPill } from '../work/pills';
import { CatalogFilters } from './CatalogFilters';
import type { CatalogSearch } from './route';

const text = words.catalog;
const route = getRouteApi('/frame/catalog');
const column = createColumnHelper<Backup>();
const fixed = { enableSorting: false } as const;

const columns = [
  column.accessor('id', {
    header: text.columns.id,
    ...fixed,
    meta: { width: 'minmax(8.5rem, 9.75rem)' },
    cell: ({ row: { original } }) => (
      <WithCluster name={original.cluster}>
        <BackupLink id={original.id} />
      </WithCluster>
    ),
  }),
  column.accessor('cluster', {
    header: text.columns.cluster,
    ...fixed,
    meta: { width: 'minmax(5rem, 1.5fr)', from: 'sm' },
    cell: ({ getValue }) => <ClusterLink name={getValue()} />,
  }),
  column.accessor('kind', {
    header: text.columns.kind,
    ...fixed,
    meta: { width: '6.75rem', from: 'md' },
    cell: ({ getValue }) => <Badge>{words.work.backupKinds[getValue()]}</Badge>,
  }),
  column.accessor('state', {
    header: text.columns.state,
    ...fixed,
    meta: { width: '7.75rem' },
    cell: ({ getValue }) => <BackupPill state={getValue()} />,
  }),
  column.accessor('startedAt', {
    header: text.columns.started,
    ...fixed,
    meta: { width: 'minmax(6rem, 1fr)' },
    cell: ({ getValue }) => <Time at={getValue()} />,
  }),
  column.accessor('databaseBytes', {
    header: text.columns.database,
    ...fixed,
    meta: { width: '6.25rem', align: 'end', from: 'lg' },
    cell: ({ getValue }) => <Bytes bytes={getValue()} />,
  }),
  column.accessor('addedBytes', {
    header: text.columns.added,
    ...fixed,
    meta: { width: '6.25rem', align: 'end', from: 'lg' },
    cell: ({ getValue }) => <Bytes bytes={getValue()} />,
  }),
  column.accessor('repositories', {
    header: text.columns.repositories,
    ...fixed,
    meta: { width: 'minmax(7rem, 1fr)', from: 'xl' },
    cell: ({ getValue }) => (
      <span className="flex min-w-0 gap-2 truncate">
        {getValue().length === 0 ? (
          <None />
        ) : (
          getValue().map((name) => <RepositoryLink key={name} name={name} />)
        )}
      </span>
    ),
  }),
  column.accessor('hold', {
    header: text.columns.kept,
    ...fixed,
    meta: { width: 'minmax(9rem, 2fr)', from: 'xl' },
    cell: ({ getValue }) => {
      const hold = getValue();
      return hold == null ? (
        <None />
      ) : (
        <span className="flex min-w-0 items-center gap-1.5" title={hold.reason}>
          <Lock aria-hidden className="size-3.5 shrink-0 text-ink-3" />
          <span className="truncate">{hold.reason}</span>
        </span>
      );
    },
  }),
];

const ORDER = { column: 'startedAt', descending: true };

export function CatalogPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const change = (changed: Partial<CatalogSearch>) =>
    void navigate({ search: (before) => ({ ...before, ...changed }), replace: true });
  const { cluster, kind, state, repository } = search;
  const list = useInfiniteQuery(backups.list({ cluster, kind, state, repository }));
  const rows = list.data?.pages.flatMap(({ items }) => items) ?? [];
  const filtered = Object.keys(search).length > 0;
  return (
    <Page title={text.title} about={text.about} fill>
      <CatalogFilters search={search} onChange={change} />
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
                <NoMatch onReset={() => void navigate({ search: {}, replace: true })} />
              ) : (
                <NoBackup />
              )
            }
            className="shrink"
          />
          <MoreRows count={rows.length} list={list} />
        </>
      )}
    </Page>
  );
}

function NoBackup() {
  return (
    <EmptyState icon={Archive} title={text.none.title}>
      <p>{text.none.about}</p>
      <CodeBlock
        label={text.none.command}
        text="holdfast backup run orders --wait"
        className="text-left"
      />
    </EmptyState>
  );
}

function NoMatch({ onReset }: { onReset: () => void }) {
  return (
    <EmptyState
      icon={FilterX}
      title={text.noMatch.title}
      actions={<Button onClick={onReset}>{words.common.clearFilters}</Button>}
    >
      <p>{text.noMatch.about}</p>
    </EmptyState>
  );
}
