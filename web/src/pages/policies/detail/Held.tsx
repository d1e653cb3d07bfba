/** The clusters that a policy is in force for, and how they stand. */
import { Link } from '@tanstack/react-router';
import { createColumnHelper } from '@tanstack/react-table';
import { Database } from 'lucide-react';
import { useMemo, useState } from 'react';
import { useWholeList } from '../../../api/pages';
import { exposure, type Exposure } from '../../../api/queries/exposure';
import type { Sort } from '../../../search/search';
import { DataTable } from '../../../table/DataTable';
import { EmptyState, Skeleton } from '../../../ui/States';
import { Duration } from '../../../ui/Values';
import { words } from '../../../words';
import type { Verdict } from '../../../words/en/clusters';
import { BADNESS } from '../../clusters/rows';
import { VerdictPill } from '../../clusters/VerdictPill';

const text = words.policies.detail;

interface Row {
  name: string;
  verdict: Verdict | undefined;
  exposure: Exposure | undefined;
}

const column = createColumnHelper<Row>();
const columns = [
  column.accessor('name', {
    header: text.cluster,
    meta: { width: 'minmax(8rem, 2fr)' },
    cell: ({ getValue }) => (
      <Link
        to="/clusters/$cluster"
        params={{ cluster: getValue() }}
        className="truncate rounded-sm font-medium hover:underline"
      >
        {getValue()}
      </Link>
    ),
  }),
  column.accessor((row) => (row.verdict === undefined ? 9 : BADNESS[row.verdict]), {
    id: 'state',
    header: text.state,
    meta: { width: '9rem' },
    cell: ({ row: { original } }) =>
      original.verdict === undefined ? (
        <Skeleton className="w-20" />
      ) : (
        <VerdictPill verdict={original.verdict} />
      ),
  }),
  column.accessor((row) => row.exposure?.exposureSeconds ?? undefined, {
    id: 'exposure',
    header: text.exposure,
    meta: { width: 'minmax(6rem, 1fr)', align: 'end' },
    cell: ({ getValue }) => <Duration seconds={getValue()} />,
  }),
];

export function Held({ names, complete }: { names: readonly string[]; complete: boolean }) {
  const exposures = useWholeList(exposure.list());
  const [sort, setSort] = useState<Sort>({ column: 'state', descending: false });
  const rows = useMemo<Row[]>(() => {
    const by = new Map(exposures.items.map((each) => [each.cluster, each]));
    return names.map((name) => {
      const found = by.get(name);
      const verdict =
        found === undefined ? (exposures.complete ? 'NONE' : undefined) : (found.status ?? 'NONE');
      return { name, verdict, exposure: found };
    });
  }, [names, exposures.items, exposures.complete]);
  return (
    <>
      <p className="mb-3 text-ink-2">{text.clustersAbout}</p>
      <DataTable
        label={text.tabs.clusters}
        columns={columns}
        rows={rows}
        rowId={({ name }) => name}
        sort={sort}
        onSort={setSort}
        pending={!complete && rows.length === 0}
        empty={
          <EmptyState icon={Database} title={text.noClusters.title}>
            <p>{text.noClusters.about}</p>
          </EmptyState>
        }
        className="max-h-[38rem]"
      />
    </>
  );
}
