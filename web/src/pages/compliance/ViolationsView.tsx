/** When exposure was above the RPO, with the cause, and the way to that time. */
import { Link } from '@tanstack/react-router';
import { createColumnHelper } from '@tanstack/react-table';
import { ShieldCheck, Stamp } from 'lucide-react';
import { useMemo } from 'react';
import { useWholeList } from '../../api/pages';
import { compliance, type Period, type Violation } from '../../api/queries/compliance';
import { formatCount } from '../../format/size';
import { formatDuration } from '../../format/time';
import { readSort, writeSort, type Sort } from '../../search/search';
import { DataTable } from '../../table/DataTable';
import { StatusPill } from '../../ui/Badge';
import { IconButton } from '../../ui/Button';
import { Switch } from '../../ui/Check';
import { EmptyState, ErrorState } from '../../ui/States';
import { Duration, Time } from '../../ui/Values';
import { words } from '../../words';
import type { ViewProps } from './CompliancePage';
import { windowOf, type Day } from './days';
import type { ComplianceSearch } from './route';

const text = words.compliance.violations;
const column = createColumnHelper<Violation>();
const LINK = 'truncate rounded-sm underline-offset-4 hover:underline decoration-line-strong';

/** Everything is more than any number. */
const height = ({ highest }: Violation) =>
  highest.unbounded || highest.seconds == null ? Number.POSITIVE_INFINITY : highest.seconds;

const columnsOf = (onExcuse: (cluster: string) => void) => [
  column.accessor('cluster', {
    header: text.cluster,
    meta: { width: 'minmax(7rem, 1.4fr)' },
    cell: ({ row: { original } }) => (
      <span className="min-w-0 leading-tight">
        <Link
          to="/clusters/$cluster"
          params={{ cluster: original.cluster }}
          className={`${LINK} block font-medium`}
        >
          {original.cluster}
        </Link>
        <span className="block truncate text-xs text-ink-3">{original.fleet}</span>
      </span>
    ),
  }),
  column.accessor('startedAt', {
    id: 'started',
    header: text.started,
    meta: { width: 'minmax(6rem, 10rem)' },
    cell: ({ getValue }) => <Time at={getValue()} />,
  }),
  column.accessor('seconds', {
    id: 'lasted',
    header: text.lasted,
    meta: { width: 'minmax(6rem, 9rem)' },
    cell: ({ row: { original } }) => (
      <span className="leading-tight">
        <Duration seconds={original.seconds} className="block font-medium" />
        {original.exemptSeconds > 0 && (
          <span className="block text-xs text-ink-3">
            {text.excused(formatDuration(original.exemptSeconds))}
          </span>
        )}
      </span>
    ),
  }),
  column.accessor(height, {
    id: 'highest',
    header: text.highest,
    meta: { width: 'minmax(8rem, 10rem)', from: 'md' },
    cell: ({ row: { original } }) => (
      <span className="leading-tight">
        <span className="num block font-medium text-bad">
          {Number.isFinite(height(original)) ? formatDuration(height(original)) : text.everything}
        </span>
        <span className="num block text-xs text-ink-3">
          {words.clusters.rpo(formatDuration(original.rpoSeconds))}
        </span>
      </span>
    ),
  }),
  column.accessor('cause', {
    header: text.cause,
    meta: { width: 'minmax(7rem, 1fr)', from: 'md' },
    cell: ({ getValue }) => words.coverage.cause(getValue()),
  }),
  column.accessor('open', {
    header: text.state,
    enableSorting: false,
    meta: { width: '7rem', from: 'sm' },
    cell: ({ getValue }) =>
      getValue() ? (
        <StatusPill tone="bad">{text.open}</StatusPill>
      ) : (
        <StatusPill tone="idle">{text.over}</StatusPill>
      ),
  }),
  column.display({
    id: 'go',
    header: text.timeline,
    meta: { width: 'minmax(8rem, 9rem)', from: 'lg' },
    cell: ({ row: { original } }) => (
      <span className="flex items-center gap-1">
        <Link
          to="/clusters/$cluster"
          params={{ cluster: original.cluster }}
          search={placeOf(original)}
          aria-label={text.timelineOf(original.cluster)}
          className={`${LINK} font-medium text-accent`}
        >
          {text.timeline}
        </Link>
        <IconButton
          icon={Stamp}
          size="sm"
          label={words.compliance.heatmap.excuse(original.cluster)}
          onClick={() => onExcuse(original.cluster)}
        />
      </span>
    ),
  }),
];

function placeOf(violation: Violation) {
  const from = Date.parse(violation.startedAt);
  return windowOf({ day: { from, to: from + violation.seconds * 1000 }, violations: [violation] });
}

export function ViolationsView({
  search,
  onSearch,
  onExcuse,
  period,
}: ViewProps & { period: Period & { days: Day[] } }) {
  const { cluster, fleet, open } = search;
  const asked = useMemo(
    () => ({ cluster, fleet, open, from: period.from }),
    [cluster, fleet, open, period.from],
  );
  const list = useWholeList(compliance.violations(asked));
  const columns = useMemo(() => columnsOf(onExcuse), [onExcuse]);
  if (list.error !== null && list.items.length === 0) {
    return <ErrorState error={list.error} retry={list.retry} />;
  }
  return (
    <>
      <div className="mb-3 flex flex-wrap items-center gap-4">
        <Switch
          label={words.compliance.filters.open}
          checked={open ?? false}
          onChange={(next) => onSearch({ open: next || undefined })}
        />
        <span role="status" className="num ml-auto text-sm text-ink-3">
          {list.complete && text.count(formatCount(list.items.length), list.items.length)}
        </span>
      </div>
      <DataTable
        label={text.label}
        columns={columns}
        rows={list.items}
        rowId={(row) => `${row.cluster}${row.startedAt}`}
        sort={readSort(search.sort ?? '-started')}
        onSort={(sort: Sort) => onSearch({ sort: writeSort(sort) as ComplianceSearch['sort'] })}
        pending={list.pending}
        rowHeight={52}
        empty={
          list.complete && (
            <EmptyState icon={ShieldCheck} title={text.empty}>
              <p>{text.emptyAbout}</p>
            </EmptyState>
          )
        }
        className="max-h-[70dvh]"
      />
    </>
  );
}
