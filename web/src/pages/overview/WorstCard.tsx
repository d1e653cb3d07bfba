/** Who would lose most now, against what may be lost. */
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Gauge } from 'lucide-react';
import { overview, type WorstCluster } from '../../api/queries/overview';
import { formatCount } from '../../format/size';
import { formatDuration } from '../../format/time';
import { PlainTable, type PlainColumn } from '../../table/PlainTable';
import { cx } from '../../ui/cx';
import { EmptyState, ErrorState } from '../../ui/States';
import { None } from '../../ui/Values';
import { words } from '../../words';
import { VerdictPill } from '../clusters/VerdictPill';
import { LINK, OverviewCard } from './parts';
import { heightOf } from './truth';

const text = words.overview.worst;

const columns: PlainColumn<WorstCluster>[] = [
  {
    id: 'cluster',
    title: text.cluster,
    cell: ({ cluster, fleet }) => (
      <span className="block leading-tight">
        <Link to="/clusters/$cluster" params={{ cluster }} className={LINK}>
          {cluster}
        </Link>
        <span className="block text-xs text-ink-3">{fleet}</span>
      </span>
    ),
  },
  {
    id: 'state',
    title: text.state,
    from: 'sm',
    cell: ({ status }) => (status == null ? <None /> : <VerdictPill verdict={status} />),
  },
  {
    id: 'loss',
    title: text.loss,
    wrap: true,
    cell: (cluster) => <Height cluster={cluster} />,
  },
  {
    id: 'cause',
    title: text.cause,
    from: 'md',
    wrap: true,
    cell: ({ cause }) => (cause == null ? <None /> : words.coverage.cause(cause)),
  },
];

/** The loss, and a bar of how much of the RPO that is; full at twice the RPO. */
function Height({ cluster }: { cluster: WorstCluster }) {
  const { exposureSeconds, rpoSeconds } = cluster;
  const height = heightOf(cluster);
  const over = height > 1;
  return (
    <span className="block min-w-28">
      <span className="num flex flex-wrap items-baseline justify-between gap-x-2">
        <span className={cx('font-medium', over && 'text-bad')}>
          {exposureSeconds == null ? words.clusters.noBackup : formatDuration(exposureSeconds)}
        </span>
        <span className="text-xs text-ink-3">
          {rpoSeconds == null
            ? words.clusters.noRpo
            : over && Number.isFinite(height)
              ? text.times(height >= 10 ? formatCount(Math.floor(height)) : height.toFixed(1))
              : words.clusters.rpo(formatDuration(rpoSeconds))}
        </span>
      </span>
      {rpoSeconds != null && (
        <span
          aria-hidden
          className="relative mt-1 block h-1.5 overflow-hidden rounded-full bg-idle-soft"
        >
          <span
            className={cx(
              'absolute inset-y-0 left-0 rounded-full',
              over ? 'bg-bad-mark' : height > 0.8 ? 'bg-warn-mark' : 'bg-ok-mark',
            )}
            style={{ width: `${Math.min(100, height * 50)}%` }}
          />
          <span className="absolute inset-y-0 left-1/2 w-0.5 bg-ink-2" />
        </span>
      )}
    </span>
  );
}

export function WorstCard({
  fleet,
}: {
  /** Only of this one. */
  fleet?: string;
}) {
  const worst = useQuery(overview.worst(fleet));
  return (
    <OverviewCard
      title={text.title}
      about={text.about}
      to="/clusters"
      search={{ sort: '-exposure', ...(fleet !== undefined && { fleet }) }}
      all={text.all}
    >
      {worst.error !== null && worst.data === undefined ? (
        <div className="p-3">
          <ErrorState compact error={worst.error} retry={() => void worst.refetch()} />
        </div>
      ) : (
        <PlainTable
          label={text.title}
          columns={columns}
          rows={worst.data?.items}
          rowId={({ cluster }) => cluster}
          empty={
            <EmptyState icon={Gauge} title={text.none}>
              <p>{text.noneAbout}</p>
            </EmptyState>
          }
        />
      )}
    </OverviewCard>
  );
}
