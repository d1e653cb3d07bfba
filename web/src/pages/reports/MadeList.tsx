/** The reports that were made, the latest first. */
import { Link } from '@tanstack/react-router';
import { createColumnHelper } from '@tanstack/react-table';
import { FileText, RotateCcw } from 'lucide-react';
import { useMemo, useState } from 'react';
import { useWholeList } from '../../api/pages';
import { reports, type MadeReport } from '../../api/queries/reports';
import { formatUtc } from '../../format/time';
import type { Sort } from '../../search/search';
import { DataTable } from '../../table/DataTable';
import { IconButton } from '../../ui/Button';
import { CopyButton } from '../../ui/Code';
import { EmptyState, ErrorState } from '../../ui/States';
import { Time } from '../../ui/Values';
import { whoOf } from '../../subjects/who';
import { words } from '../../words';

const text = words.reports.list;
const column = createColumnHelper<MadeReport>();

export function MadeList({ onAgain }: { onAgain: (report: MadeReport) => void }) {
  const list = useWholeList(reports.list());
  const [sort, setSort] = useState<Sort>({ column: 'madeAt', descending: true });
  const columns = useMemo(() => columnsOf(onAgain), [onAgain]);
  return (
    <section>
      <h2 className="text-base font-semibold">{text.title}</h2>
      <p className="mb-2 text-sm text-ink-2">{text.about}</p>
      {list.error !== null && list.items.length === 0 ? (
        <ErrorState error={list.error} retry={list.retry} />
      ) : (
        <DataTable
          label={text.title}
          columns={columns}
          rows={list.items}
          rowId={({ id }) => id}
          sort={sort}
          onSort={setSort}
          pending={list.pending}
          empty={
            list.complete && (
              <EmptyState icon={FileText} title={text.empty.title}>
                <p>{text.empty.about}</p>
              </EmptyState>
            )
          }
          className="max-h-[34rem]"
        />
      )}
    </section>
  );
}

function columnsOf(onAgain: (report: MadeReport) => void) {
  return [
    column.accessor('madeAt', {
      header: text.columns.made,
      meta: { width: '7rem' },
      cell: ({ getValue }) => <Time at={getValue()} />,
    }),
    column.accessor('fleet', {
      header: text.columns.fleet,
      meta: { width: 'minmax(6rem, 1fr)' },
      cell: ({ getValue }) => (
        <Link
          to="/fleets/$fleet"
          params={{ fleet: getValue() }}
          className="truncate rounded-sm font-medium hover:underline"
        >
          {getValue()}
        </Link>
      ),
    }),
    column.accessor('from', {
      header: text.columns.period,
      meta: { width: 'minmax(9rem, 13rem)', from: 'sm' },
      cell: ({ row: { original } }) => (
        <span
          title={`${formatUtc(new Date(original.from))} – ${formatUtc(new Date(original.to))}`}
          className="num truncate"
        >
          {`${original.from.slice(0, 10)} – ${original.to.slice(0, 10)}`}
        </span>
      ),
    }),
    column.accessor('asKnownAt', {
      header: text.columns.knownAt,
      meta: { width: '11.5rem', from: 'lg' },
      cell: ({ getValue }) => <Time at={getValue()} absolute />,
    }),
    column.accessor(({ madeBy }) => (madeBy == null ? text.reader : whoOf(madeBy)), {
      id: 'by',
      header: text.columns.by,
      meta: { width: 'minmax(7rem, 10rem)', from: 'lg' },
      cell: ({ getValue }) => <span className="truncate">{getValue()}</span>,
    }),
    column.accessor(({ bodySha256 }) => bodySha256 ?? '', {
      id: 'sha256',
      header: text.columns.sha256,
      enableSorting: false,
      meta: { width: 'minmax(9rem, 2fr)', from: 'md' },
      cell: ({ getValue }) =>
        getValue() === '' ? (
          <span className="text-ink-3">{text.nothing}</span>
        ) : (
          <>
            <code title={getValue()} className="truncate text-xs text-ink-2">
              {getValue().slice(0, 12)}…
            </code>
            <CopyButton text={getValue()} label={words.common.copy(text.columns.sha256)} />
          </>
        ),
    }),
    column.display({
      id: 'act',
      header: () => <span className="sr-only">{text.columns.act}</span>,
      meta: { width: '3.5rem', align: 'end' },
      cell: ({ row: { original } }) => (
        <IconButton
          icon={RotateCcw}
          size="sm"
          label={text.again}
          onClick={() => onAgain(original)}
        />
      ),
    }),
  ];
}
