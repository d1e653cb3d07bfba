/** How the control plane itself is: nodes, agents, its own safety. */
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import type { Schemas } from '../../api/client';
import { overview } from '../../api/queries/overview';
import { formatCount } from '../../format/size';
import { StatusPill } from '../../ui/Badge';
import { Time } from '../../ui/Values';
import { words } from '../../words';
import { LINK, OverviewCard } from './parts';

const text = words.overview.control;

export function ControlPlaneCard({ status }: { status: Schemas['Status'] }) {
  const nodes = useQuery(overview.nodes());
  const list = nodes.data?.items;
  const answer = list?.filter(({ reachable }) => reachable !== false).length;
  const online = status.counts.agents['online'] ?? 0;
  const offline = status.counts.agents['offline'] ?? 0;
  return (
    <OverviewCard
      title={text.title}
      about={`${text.version} ${status.version}`}
      to="/administration"
      all={text.all}
    >
      <dl className="divide-y divide-line border-t border-line">
        <Row
          title={text.nodes}
          value={
            list !== undefined && answer !== undefined ? (
              <StatusPill tone={answer === list.length ? 'ok' : 'bad'}>
                {text.healthy(formatCount(answer), formatCount(list.length))}
              </StatusPill>
            ) : (
              <span className="text-ink-2">{status.node.name}</span>
            )
          }
        >
          {(list ?? []).map(({ id, name, role, reachable, behind }) => (
            <span key={id} className="block truncate">
              {name}{' '}
              <span className="text-ink-3">
                {reachable === false
                  ? text.silent
                  : role === 'leader'
                    ? text.leads
                    : (behind ?? 0) > 0
                      ? text.behind(formatCount(behind ?? 0))
                      : text.follows}
              </span>
            </span>
          ))}
        </Row>
        <Row
          title={text.agents}
          value={
            <StatusPill tone={offline > 0 ? 'warn' : online > 0 ? 'ok' : 'idle'}>
              <Link to="/agents" className="rounded-sm underline-offset-2 hover:underline">
                {text.online(formatCount(online))}
                {offline > 0 && `, ${text.offline(formatCount(offline))}`}
              </Link>
            </StatusPill>
          }
        />
        <Safety safety={status.stateSafety ?? undefined} />
      </dl>
    </OverviewCard>
  );
}

function Safety({ safety }: { safety: Schemas['StateSafety'] | undefined }) {
  if (safety === undefined) {
    return (
      <Row title={text.state} value={<StatusPill tone="warn">{text.unsafe}</StatusPill>}>
        <Link to="/administration" className={LINK}>
          {text.unsafeAbout}
        </Link>
      </Row>
    );
  }
  const good = !safety.late && safety.error == null;
  return (
    <Row
      title={text.state}
      value={<StatusPill tone={good ? 'ok' : 'bad'}>{good ? text.safe : text.late}</StatusPill>}
    >
      {safety.lastTakenAt == null ? (
        text.never
      ) : (
        <>
          {text.taken} <Time at={safety.lastTakenAt} />
        </>
      )}
    </Row>
  );
}

function Row({
  title,
  value,
  children,
}: {
  title: string;
  value: ReactNode;
  children?: ReactNode;
}) {
  return (
    <div className="flex flex-wrap items-center gap-x-3 px-4 py-2.5">
      <dt className="flex-1">{title}</dt>
      <dd>{value}</dd>
      {children !== undefined && <dd className="basis-full text-sm text-ink-2">{children}</dd>}
    </div>
  );
}
