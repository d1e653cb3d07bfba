/** Every repository: where it is, who uses it, and whether it is as the catalog says. */
import { useQueries } from '@tanstack/react-query';
import { Link, getRouteApi } from '@tanstack/react-router';
import { createColumnHelper } from '@tanstack/react-table';
import { HardDrive, Plus, RefreshCw } from 'lucide-react';
import { useMemo, useState } from 'react';
import { useAct } from '../../acts/useAct';
import { useWholeList } from '../../api/pages';
import { policies } from '../../api/queries/policies';
import { repositories, scan, type Findings, type Repository } from '../../api/queries/repositories';
import { Page } from '../../frame/Page';
import { readSort, writeSort } from '../../search/search';
import { DataTable } from '../../table/DataTable';
import { Button } from '../../ui/Button';
import { CodeBlock } from '../../ui/Code';
import { EmptyState, ErrorState, Skeleton } from '../../ui/States';
import { None, Time } from '../../ui/Values';
import { words } from '../../words';
import { FoundPill } from './FoundPill';
import { NewRepository } from './NewRepository';
import { placeOf, usesOf, type Use } from './uses';

const text = words.repositories;
const route = getRouteApi('/frame/repositories');

interface Row {
  repository: Repository;
  name: string;
  uses: Use[];
  findings: Findings | undefined;
}

const column = createColumnHelper<Row>();
const columns = [
  column.accessor('name', {
    header: text.columns.name,
    meta: { width: 'minmax(7rem, 1fr)' },
    cell: ({ getValue }) => (
      <Link
        to="/repositories/$repository"
        params={{ repository: getValue() }}
        className="truncate rounded-sm font-medium hover:underline"
      >
        {getValue()}
      </Link>
    ),
  }),
  column.accessor(({ repository }) => placeOf(repository).region ?? '', {
    id: 'region',
    header: text.columns.region,
    meta: { width: 'minmax(6rem, 9rem)', from: 'sm' },
    cell: ({ getValue }) => (getValue() === '' ? <None /> : getValue()),
  }),
  column.accessor(({ repository }) => placeOf(repository).url, {
    id: 'url',
    header: text.columns.url,
    enableSorting: false,
    meta: { width: 'minmax(10rem, 2fr)', from: 'lg' },
    cell: ({ getValue }) => (
      <code title={getValue()} className="truncate text-xs text-ink-2">
        {getValue()}
      </code>
    ),
  }),
  column.accessor(({ uses }) => uses.length, {
    id: 'used',
    header: text.columns.used,
    meta: { width: 'minmax(6rem, 8rem)', from: 'sm' },
    cell: ({ row: { original } }) =>
      original.uses.length === 0 ? (
        <span className="text-ink-3">{text.unused}</span>
      ) : (
        <Link
          to="/policies"
          search={{ q: original.name }}
          className="rounded-sm underline decoration-line-strong underline-offset-4"
        >
          {text.policies(new Set(original.uses.map(({ policy }) => policy)).size)}
        </Link>
      ),
  }),
  column.accessor(({ findings }) => findings?.items.length ?? -1, {
    id: 'found',
    header: text.columns.found,
    meta: { width: '12rem' },
    cell: ({ row: { original } }) =>
      original.findings === undefined ? (
        <Skeleton className="w-24" />
      ) : (
        <FoundPill findings={original.findings} />
      ),
  }),
  column.accessor(({ findings }) => findings?.scannedAt ?? '', {
    id: 'scanned',
    header: text.columns.scanned,
    meta: { width: '9rem', from: 'md' },
    cell: ({ getValue }) => <Time at={getValue() === '' ? undefined : getValue()} />,
  }),
];

export function RepositoriesPage() {
  const { sort } = route.useSearch();
  const navigate = route.useNavigate();
  const declared = useWholeList(repositories.list());
  const known = useWholeList(policies.list());
  const [making, setMaking] = useState(false);
  const found = useQueries({
    queries: declared.items.map(({ metadata }) => repositories.findings(metadata.name)),
    combine: (results) => results.map(({ data }) => data),
  });
  const rows = useMemo<Row[]>(
    () =>
      declared.items.map((repository, index) => ({
        repository,
        name: repository.metadata.name,
        uses: usesOf(repository.metadata.name, known.items),
        findings: found[index],
      })),
    [declared.items, known.items, found],
  );
  const scanAll = useAct({
    run: () => scan(undefined),
    stale: ['repositories'],
    said: ({ repositories: begun }) => text.scanning(begun.length),
  });
  return (
    <Page
      title={text.title}
      about={text.about}
      actions={
        <>
          <Button
            icon={RefreshCw}
            busy={scanAll.isPending}
            disabled={rows.length === 0}
            onClick={() => scanAll.mutate()}
          >
            {text.scanAll}
          </Button>
          <Button variant="primary" icon={Plus} onClick={() => setMaking(true)}>
            {text.new}
          </Button>
        </>
      }
    >
      {scanAll.error !== null && <ErrorState compact error={scanAll.error} />}
      {declared.error !== null && rows.length === 0 ? (
        <ErrorState error={declared.error} retry={declared.retry} />
      ) : (
        <DataTable
          label={text.title}
          columns={columns}
          rows={rows}
          rowId={({ name }) => name}
          sort={readSort(sort ?? 'name')}
          onSort={(next) =>
            void navigate({ search: { sort: writeSort(next) as typeof sort }, replace: true })
          }
          pending={declared.pending}
          empty={
            <EmptyState
              icon={HardDrive}
              title={text.empty.title}
              actions={
                <Button variant="primary" icon={Plus} onClick={() => setMaking(true)}>
                  {text.new}
                </Button>
              }
            >
              <p>{text.empty.about}</p>
              <CodeBlock
                label={text.empty.command}
                text="holdfast apply -f repository.yaml"
                className="text-left"
              />
            </EmptyState>
          }
          rowHeight={52}
        />
      )}
      <NewRepository open={making} onOpenChange={setMaking} />
    </Page>
  );
}
