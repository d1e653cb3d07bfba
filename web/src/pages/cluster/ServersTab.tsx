/** Each server of the cluster as its agent last saw it: role, disk, archiver, slots. */
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Crown, Server as ServerIcon, Unplug } from 'lucide-react';
import type { ReactNode } from 'react';
import { clusterParts, type ClusterResource } from '../../api/queries/cluster-parts';
import { formatBytes } from '../../format/size';
import { Badge, StatusPill } from '../../ui/Badge';
import { Card } from '../../ui/Card';
import { Progress } from '../../ui/Progress';
import { EmptyState, Skeleton } from '../../ui/States';
import { Bytes, None, Time } from '../../ui/Values';
import { cx } from '../../ui/cx';
import { words } from '../../words';
import { serversOf, versionOf, type Server } from './servers';

const text = words.cluster.servers;
const LINK = 'underline decoration-line-strong underline-offset-4 hover:decoration-ink';

export function ServersTab({
  cluster,
  resource,
}: {
  cluster: string;
  resource: ClusterResource | undefined;
}) {
  const exposure = useQuery(clusterParts.exposure(cluster));
  if (resource === undefined) return <Skeleton className="h-48 w-full" />;
  const servers = serversOf(resource);
  if (servers.length === 0) {
    return (
      <Card>
        <EmptyState icon={ServerIcon} title={text.empty}>
          <p>{text.emptyAbout}</p>
        </EmptyState>
      </Card>
    );
  }
  const receivers = (agent: string | undefined) =>
    (exposure.data?.repositories ?? []).filter(({ receiver }) => receiver?.agent === agent);
  return (
    <ul className="grid gap-4 xl:grid-cols-2">
      {servers.map((server) => (
        <li key={server.agent}>
          <ServerCard server={server} receives={receivers(server.agent).map(({ name }) => name)} />
        </li>
      ))}
    </ul>
  );
}

function ServerCard({ server, receives }: { server: Server; receives: string[] }) {
  const { facts, agent, observedAt, unreachable, slotTrouble, patroni } = server;
  return (
    <Card className="h-full">
      <header className="flex flex-wrap items-center gap-2 border-b border-line px-4 py-3">
        {facts === undefined ? (
          <StatusPill tone="bad" icon={Unplug}>
            {text.unreachable}
          </StatusPill>
        ) : (
          <StatusPill
            tone={facts.role === 'primary' ? 'info' : 'idle'}
            icon={facts.role === 'primary' ? Crown : ServerIcon}
          >
            {text[facts.role]}
          </StatusPill>
        )}
        <h3 className="font-semibold">
          {agent === undefined ? (
            <None />
          ) : (
            <Link to={`/agents/${agent}` as string} className={LINK}>
              {agent}
            </Link>
          )}
        </h3>
        {receives.map((repository) => (
          <Badge key={repository} tone="ok">
            {text.receives(repository)}
          </Badge>
        ))}
        <span className="ml-auto text-sm text-ink-3">
          {text.seen} <Time at={observedAt} />
        </span>
      </header>
      {[unreachable, slotTrouble].map(
        (failure) =>
          failure !== undefined && (
            <p key={failure.code} className="bg-bad-soft px-4 py-2.5">
              <span className="font-medium text-bad">{failure.message}</span>{' '}
              <span className="text-ink-2">{failure.hint}</span>
            </p>
          ),
      )}
      {facts !== undefined && <Facts facts={facts} />}
      {patroni !== undefined && (
        <p className="border-t border-line px-4 py-2.5 text-sm text-ink-2">
          {text.patroni}: {patroni.leader != null && text.patroniLeader(patroni.leader)}
          {patroni.paused && <Badge tone="warn">{text.paused}</Badge>}{' '}
          {patroni.failure != null && <span className="text-bad">{patroni.failure.message}</span>}
        </p>
      )}
    </Card>
  );
}

function Facts({ facts }: { facts: NonNullable<Server['facts']> }) {
  const { disk, archiver, slots } = facts;
  return (
    <>
      <dl className="grid gap-x-6 gap-y-3 px-4 py-3 sm:grid-cols-3">
        <Fact title={text.version}>{versionOf(facts.serverVersion)}</Fact>
        <Fact title={text.timeline}>{facts.timeline}</Fact>
        <Fact title={text.size}>
          <Bytes bytes={facts.databaseBytes} />
        </Fact>
        <Fact title={text.checksums}>
          {facts.checksums ? text.on : <span className="text-warn">{text.off}</span>}
        </Fact>
        <Fact title={text.archiver}>
          {archiver.mode}
          {archiver.lastArchived != null && (
            <Small>{text.lastArchived(archiver.lastArchived)}</Small>
          )}
          {archiver.lastFailed != null && <Small bad>{text.lastFailed(archiver.lastFailed)}</Small>}
        </Fact>
        <Fact title={text.disk}>
          {disk == null ? (
            <None />
          ) : (
            <>
              {text.diskOf(formatBytes(disk.freeBytes), formatBytes(disk.totalBytes))}
              <Progress
                label={text.disk}
                share={disk.totalBytes === 0 ? 0 : 1 - disk.freeBytes / disk.totalBytes}
                className="mt-1.5"
              />
            </>
          )}
        </Fact>
        <Fact title={text.directory} className="sm:col-span-3">
          <code className="text-xs break-all">{facts.dataDirectory}</code>
        </Fact>
      </dl>
      <section aria-label={text.slots} className="border-t border-line px-4 py-3">
        <h4 className="text-xs text-ink-3">{text.slots}</h4>
        {slots.length === 0 ? (
          <p className="text-ink-2">{text.noSlots}</p>
        ) : (
          <ul className="mt-1 space-y-1">
            {slots.map((slot) => (
              <li key={slot.name} className="flex flex-wrap items-center gap-x-2 gap-y-0.5">
                <code className="text-xs">{slot.name}</code>
                <Badge tone={slot.active ? 'ok' : 'warn'}>
                  {slot.active ? text.slotActive : text.slotIdle}
                </Badge>
                <span className="num text-sm text-ink-2">
                  {text.retains(formatBytes(slot.retainedBytes))}
                  {slot.walStatus != null && `, ${slot.walStatus}`}
                </span>
              </li>
            ))}
          </ul>
        )}
      </section>
    </>
  );
}

function Fact({
  title,
  className,
  children,
}: {
  title: string;
  className?: string;
  children: ReactNode;
}) {
  return (
    <div className={cx('min-w-0', className)}>
      <dt className="text-xs text-ink-3">{title}</dt>
      <dd className="num font-medium">{children}</dd>
    </div>
  );
}

function Small({ bad = false, children }: { bad?: boolean; children: ReactNode }) {
  return (
    <span className={`block text-xs font-normal break-all ${bad ? 'text-bad' : 'text-ink-2'}`}>
      {children}
    </span>
  );
}
