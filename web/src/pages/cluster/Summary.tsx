/** The cluster in one sentence and a row of numbers, each with the way to its list. */
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { TriangleAlert } from 'lucide-react';
import type { ReactNode } from 'react';
import { clusterParts, type ClusterResource } from '../../api/queries/cluster-parts';
import type { Exposure } from '../../api/queries/exposure';
import { formatBytes } from '../../format/size';
import { formatDuration } from '../../format/time';
import { Badge } from '../../ui/Badge';
import { Card } from '../../ui/Card';
import { cx } from '../../ui/cx';
import { Skeleton } from '../../ui/States';
import { None, Time } from '../../ui/Values';
import { words } from '../../words';
import { VerdictPill } from '../clusters/VerdictPill';
import { serversOf } from './servers';

const text = words.cluster;

export function Title({
  name,
  exposure,
  retired,
}: {
  name: string;
  exposure: Exposure | null | undefined;
  retired: boolean;
}) {
  const verdict = retired ? 'RETIRED' : exposure === null ? 'NONE' : exposure?.status;
  return (
    <span className="flex flex-wrap items-center gap-x-3 gap-y-1">
      <span className="min-w-0 break-words">{name}</span>
      {verdict != null && <VerdictPill verdict={verdict} />}
    </span>
  );
}

export interface SummaryProps {
  cluster: string;
  exposure: Exposure | null | undefined;
  pending: boolean;
  retired: boolean;
  resource: ClusterResource | undefined;
}

export function Summary(props: SummaryProps) {
  const { exposure, pending, retired } = props;
  return (
    <Card aria-label={text.stats.region}>
      <div className="border-b border-line px-4 py-3">
        {pending ? (
          <Skeleton className="h-5 w-96 max-w-full" />
        ) : (
          <p className="text-lg font-medium text-balance">{sentenceOf(exposure, retired)}</p>
        )}
        {exposure?.cause != null && (
          <p className="mt-0.5 text-sm text-ink-2">
            {text.cause}:{' '}
            <span className="font-medium">{words.coverage.cause(exposure.cause)}</span>
          </p>
        )}
        <Labels resource={props.resource} />
      </div>
      <Stats {...props} />
      <Warnings exposure={exposure} />
    </Card>
  );
}

export function sentenceOf(exposure: Exposure | null | undefined, retired: boolean): string {
  if (retired) return text.retired;
  if (exposure == null) return text.noExposure;
  const { exposureSeconds, rpoSeconds, status } = exposure;
  const loss = exposureSeconds == null ? text.everything : formatDuration(exposureSeconds);
  const shown = loss.charAt(0).toUpperCase() + loss.slice(1);
  if (status == null || rpoSeconds == null) {
    return status === 'UNPROTECTED' ? text.sentence(status, loss, '') : text.noRpo(shown);
  }
  const inside = status === 'COMPLIANT' || status === 'UNKNOWN';
  return text.sentence(
    status,
    inside ? mostOf(exposureSeconds) : shown,
    formatDuration(rpoSeconds),
  );
}

/** What follows "at most": of less than a tenth of a second, a tenth is the most. */
function mostOf(seconds: number | null | undefined): string {
  if (seconds == null) return text.everything;
  return formatDuration(seconds > 0 ? Math.max(seconds, 0.1) : seconds);
}

function Stats({ cluster, exposure, resource }: SummaryProps) {
  const backups = useQuery(clusterParts.backups(cluster));
  const newest = backups.data?.items.find(({ state }) => state === 'available');
  const servers = resource === undefined ? undefined : serversOf(resource);
  const primary = servers?.find(({ facts }) => facts?.role === 'primary')?.facts;
  const proof = exposure?.proof;
  const over = exposure?.status === 'VIOLATED' || exposure?.status === 'UNPROTECTED';
  const count = (role: string) => servers?.filter(({ facts }) => facts?.role === role).length ?? 0;
  return (
    <dl className="grid grid-cols-2 md:grid-cols-3 xl:grid-cols-6">
      <Stat
        title={text.stats.loss}
        to={`/compliance?cluster=${encodeURIComponent(cluster)}`}
        more={
          exposure?.rpoSeconds == null
            ? text.stats.noRpo
            : text.stats.rpo(formatDuration(exposure.rpoSeconds))
        }
      >
        <span className={cx(over && 'text-bad')}>
          {exposure == null ? (
            <None />
          ) : exposure.exposureSeconds == null ? (
            words.clusters.noBackup
          ) : (
            formatDuration(exposure.exposureSeconds)
          )}
        </span>
      </Stat>
      <Stat
        title={text.stats.window}
        more={
          exposure?.windowEnd != null && (
            <>
              {text.stats.windowEnd} <Time at={exposure.windowEnd} />
            </>
          )
        }
      >
        <Time at={exposure?.windowStart} />
      </Stat>
      <Stat
        title={text.stats.backup}
        to={`/clusters/${encodeURIComponent(cluster)}?tab=backups`}
        more={newest && words.coverage.kinds[newest.kind]}
      >
        {newest === undefined ? text.stats.noBackup : <Time at={newest.finishedAt} />}
      </Stat>
      <Stat
        title={text.stats.proof}
        to={`/drills?cluster=${encodeURIComponent(cluster)}`}
        more={
          proof?.achievedRtoSeconds != null &&
          text.stats.took(formatDuration(proof.achievedRtoSeconds))
        }
      >
        {proof?.proven === true ? (
          <Time at={proof.passedAt ?? proof.drilledAt} />
        ) : (
          <span className="text-warn">{text.proof[proof?.because ?? ''] ?? <None />}</span>
        )}
      </Stat>
      <Stat
        title={text.stats.size}
        to={`/clusters/${encodeURIComponent(cluster)}?tab=size`}
        more={primary && text.servers.primary}
      >
        {primary === undefined ? <None /> : formatBytes(primary.databaseBytes)}
      </Stat>
      <Stat
        title={text.stats.servers}
        to={`/clusters/${encodeURIComponent(cluster)}?tab=servers`}
        more={
          servers !== undefined &&
          servers.length > 0 &&
          text.stats.roles(count('primary'), count('standby'))
        }
      >
        {servers === undefined ? <Skeleton className="w-8" /> : servers.length}
      </Stat>
    </dl>
  );
}

function Stat({
  title,
  to,
  more,
  children,
}: {
  title: string;
  to?: string;
  more?: ReactNode;
  children: ReactNode;
}) {
  const [path, query] = (to ?? '').split('?');
  return (
    <div className="border-line px-4 py-3 max-md:[&:nth-child(n+3)]:border-t md:max-xl:[&:nth-child(n+4)]:border-t">
      <dt className="text-xs text-ink-3">
        {to === undefined ? (
          title
        ) : (
          <Link
            to={path ?? '/'}
            search={Object.fromEntries(new URLSearchParams(query)) as never}
            resetScroll={false}
            className="rounded-sm underline decoration-line-strong underline-offset-4 hover:text-ink hover:decoration-ink"
          >
            {title}
          </Link>
        )}
      </dt>
      <dd className="num mt-0.5 text-xl leading-7 font-semibold tracking-tight">{children}</dd>
      <dd className="num min-h-5 text-sm text-ink-2">{more}</dd>
    </div>
  );
}

function Labels({ resource }: { resource: ClusterResource | undefined }) {
  const labels = Object.entries(resource?.metadata.labels ?? {});
  if (labels.length === 0) return null;
  return (
    <ul aria-label={words.clusters.columns.labels} className="mt-2 flex flex-wrap gap-1">
      {labels.map(([key, value]) => (
        <li key={key}>
          <Link to="/clusters" search={{ label: `${key}=${value}` }} className="rounded-sm">
            <Badge className="hover:text-ink">{`${key}=${value}`}</Badge>
          </Link>
        </li>
      ))}
    </ul>
  );
}

function Warnings({ exposure }: { exposure: Exposure | null | undefined }) {
  const warnings = exposure?.warnings ?? [];
  if (warnings.length === 0) return null;
  return (
    <ul
      aria-label={text.warnings}
      className="space-y-2 rounded-b-lg border-t border-line bg-warn-soft px-4 py-3"
    >
      {warnings.map(({ agent, code, message, hint }) => (
        <li key={`${agent}${code}`} className="flex gap-2">
          <TriangleAlert aria-hidden className="mt-0.5 size-4 shrink-0 text-warn" />
          <div className="min-w-0">
            <p className="font-medium">{message}</p>
            <p className="text-sm text-ink-2">
              {hint}{' '}
              <a
                href={`/errors/${code}`}
                target="_blank"
                rel="noreferrer"
                className="underline underline-offset-2"
              >
                <code className="text-xs">{code}</code>
              </a>
            </p>
          </div>
        </li>
      ))}
    </ul>
  );
}
