/** Columns of the list of clusters. */
import { createColumnHelper } from '@tanstack/react-table';
import { formatDuration } from '../../format/time';
import { RowLink, pathOf } from '../../table/RowLink';
import { Badge } from '../../ui/Badge';
import { cx } from '../../ui/cx';
import { Skeleton } from '../../ui/States';
import { Duration, None, Time } from '../../ui/Values';
import { words } from '../../words';
import { SelectCell } from './bulk/selection';
import { BADNESS, type ClusterRow } from './rows';
import { VerdictPill } from './VerdictPill';

const text = words.clusters;
const column = createColumnHelper<ClusterRow>();
const LINK = 'truncate rounded-sm hover:underline underline-offset-4 decoration-line-strong';

export const columns = [
  column.accessor('name', {
    header: text.columns.name,
    meta: { width: 'minmax(7rem, 2fr)' },
    cell: ({ getValue }) => (
      <RowLink href={pathOf('clusters', getValue())} className={`${LINK} font-medium`}>
        {getValue()}
      </RowLink>
    ),
  }),
  column.accessor((row) => (row.verdict === undefined ? 9 : BADNESS[row.verdict]), {
    id: 'state',
    header: text.columns.state,
    meta: { width: '8.25rem' },
    cell: ({ row: { original } }) =>
      original.verdict === undefined ? (
        <Skeleton className="w-20" />
      ) : (
        <VerdictPill verdict={original.verdict} />
      ),
  }),
  column.accessor((row) => row.exposure?.exposureSeconds ?? undefined, {
    id: 'exposure',
    header: text.columns.exposure,
    meta: { width: 'minmax(6.5rem, 8rem)', align: 'end' },
    cell: ({ row: { original } }) => <Loss row={original} />,
  }),
  column.accessor((row) => row.exposure?.windowStart ?? undefined, {
    id: 'window',
    header: text.columns.window,
    meta: { width: 'minmax(8rem, 9rem)', from: 'lg' },
    cell: ({ getValue }) => <Time at={getValue()} />,
  }),
  column.accessor('policy', {
    header: text.columns.policy,
    meta: { width: 'minmax(6rem, 1fr)', from: 'md' },
    cell: ({ getValue }) => {
      const policy = getValue();
      return policy === undefined ? (
        <None />
      ) : (
        <RowLink href={pathOf('policies', policy)} className={LINK}>
          {policy}
        </RowLink>
      );
    },
  }),
  column.accessor('fleet', {
    header: text.columns.fleet,
    meta: { width: 'minmax(6rem, 1fr)', from: 'lg' },
    cell: ({ getValue }) => (
      <RowLink href={pathOf('fleets', getValue())} className={LINK}>
        {getValue()}
      </RowLink>
    ),
  }),
  column.accessor('labels', {
    header: text.columns.labels,
    enableSorting: false,
    meta: { width: 'minmax(14rem, 3fr)', from: 'xl' },
    cell: ({ getValue }) => <Labels labels={getValue()} />,
  }),
];

/** The same with a box to choose each. */
export const choosing = [
  column.display({
    id: 'choose',
    header: () => <span className="sr-only">{text.bulk.region}</span>,
    meta: { width: '3rem' },
    cell: ({ row: { original } }) => <SelectCell name={original.name} />,
  }),
  ...columns,
];

/** What would be lost now, over what may be. */
function Loss({ row: { exposure, verdict } }: { row: ClusterRow }) {
  if (verdict === undefined) return <Skeleton className="w-16" />;
  if (exposure === undefined) return <None />;
  const { exposureSeconds, rpoSeconds } = exposure;
  const over = verdict === 'VIOLATED' || verdict === 'UNPROTECTED';
  return (
    <span className="leading-tight">
      <span className={cx('block font-medium', over && 'text-bad')}>
        {exposureSeconds === null || exposureSeconds === undefined ? (
          text.noBackup
        ) : (
          <Duration seconds={exposureSeconds} />
        )}
      </span>
      <span className="num block text-xs text-ink-3">
        {rpoSeconds === null || rpoSeconds === undefined
          ? text.noRpo
          : text.rpo(formatDuration(rpoSeconds))}
      </span>
    </span>
  );
}

/** As many as have room beside each other; the others are on hover. */
const SHOWN = 2;

function Labels({ labels }: { labels: ClusterRow['labels'] }) {
  const more = labels.slice(SHOWN);
  return (
    <span
      className="flex min-w-0 items-center gap-1"
      title={labels.map(([key, value]) => `${key}=${value}`).join('\n')}
    >
      {labels.slice(0, SHOWN).map(([key, value]) => (
        <RowLink
          key={key}
          href={`/clusters?label=${encodeURIComponent(`${key}=${value}`)}`}
          search={(before) => ({ ...before, label: `${key}=${value}` })}
          className="flex min-w-0 rounded-sm hover:brightness-95"
        >
          <Badge className="min-w-0">
            <span className="truncate">{`${key}=${value}`}</span>
          </Badge>
        </RowLink>
      ))}
      {more.length > 0 && <Badge className="shrink-0">{text.moreLabels(more.length)}</Badge>}
    </span>
  );
}
