/** A server as the agent last saw it. */
import { Link } from '@tanstack/react-router';
import { CircleX } from 'lucide-react';
import type { ReactNode } from 'react';
import type { Schemas } from '../../api/client';
import type { Agent } from '../../api/queries/agents';
import { formatBytes } from '../../format/size';
import { Badge, StatusPill } from '../../ui/Badge';
import { Card, CardBody } from '../../ui/Card';
import { cx } from '../../ui/cx';
import { Facts } from '../../ui/Facts';
import { Prose } from '../../ui/Prose';
import { Bytes, None, Time } from '../../ui/Values';
import { words } from '../../words';
import { postgresVersion } from './expiry';

type Seen = Agent['instances'][number];
type Failure = Schemas['Failure'];
type ServerFacts = Schemas['ServerFacts'];

const text = words.agents.detail;

export function Server({ server }: { server: Seen }) {
  const { cluster, observedAt, patroni, slotTrouble } = server;
  const facts = 'reachable' in server ? server.reachable : undefined;
  const failure = 'unreachable' in server ? server.unreachable : undefined;
  return (
    <Card>
      <header className="flex flex-wrap items-center gap-x-3 gap-y-1 px-4 pt-3.5 pb-2">
        <h3 className="text-base font-semibold">
          <Link to="/clusters/$cluster" params={{ cluster }} className="rounded-sm hover:underline">
            {cluster}
          </Link>
        </h3>
        {facts !== undefined && (
          <>
            <Badge tone="info">{text.roles[facts.role]}</Badge>
            <span className="num text-ink-2">
              {text.postgres(postgresVersion(facts.serverVersion))}
            </span>
          </>
        )}
        {failure !== undefined && (
          <StatusPill tone="bad" icon={CircleX}>
            {text.unreachable}
          </StatusPill>
        )}
        <span className="ml-auto text-sm text-ink-3">
          {text.observed} <Time at={observedAt} />
        </span>
      </header>
      <CardBody className="space-y-3">
        {failure !== undefined && <FailureText failure={failure} tone="bad" />}
        {slotTrouble !== null && slotTrouble !== undefined && (
          <FailureText failure={slotTrouble} tone="warn" />
        )}
        {patroni !== null && patroni !== undefined && (
          <p className="text-ink-2">
            {text.patroni(patroni.member ?? '–', patroni.leader ?? '–')}
            {patroni.paused && `, ${text.patroniPaused}`}
          </p>
        )}
        {facts !== undefined && <Told facts={facts} />}
      </CardBody>
    </Card>
  );
}

function Told({ facts }: { facts: ServerFacts }) {
  const { archiver, slots, disk } = facts;
  const told: { name: string; value: ReactNode; wide?: boolean }[] = [
    {
      name: text.directory,
      value: <code className="text-sm break-all">{facts.dataDirectory}</code>,
      wide: true,
    },
    { name: text.size, value: <Bytes bytes={facts.databaseBytes} /> },
    { name: text.disk, value: disk ? <Volume disk={disk} /> : <None /> },
    { name: text.timeline, value: <span className="num">{facts.timeline}</span> },
    { name: text.checksums, value: facts.checksums ? text.on : text.off },
    {
      name: text.archiver,
      value: (
        <>
          {archiver.mode}
          {archiver.lastArchived && (
            <span className="block text-sm text-ink-2">
              {text.archived} {archiver.lastArchived}
            </span>
          )}
          {archiver.lastFailed && (
            <span className="block text-sm text-warn">
              {text.failed} {archiver.lastFailed}
            </span>
          )}
        </>
      ),
    },
    {
      name: text.slots,
      value:
        slots.length === 0 ? (
          <None />
        ) : (
          slots.map(({ name, active, walStatus, retainedBytes }) => (
            <span key={name} className="block">
              <code className="text-xs">{name}</code>{' '}
              <span className="text-sm text-ink-2">
                {active ? text.slotActive : text.slotIdle},{' '}
                {text.slot(walStatus ?? '–', formatBytes(retainedBytes))}
              </span>
            </span>
          ))
        ),
    },
  ];
  return <Facts facts={told} className="lg:grid-cols-3" />;
}

function Volume({ disk: { freeBytes, totalBytes } }: { disk: Schemas['DiskFacts'] }) {
  const used = totalBytes <= 0 ? 0 : 1 - freeBytes / totalBytes;
  return (
    <span className="block max-w-56">
      <span className="num text-sm">
        {text.free(formatBytes(freeBytes), formatBytes(totalBytes))}
      </span>
      <span
        role="meter"
        aria-label={text.freeLabel}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.round(used * 100)}
        className="mt-1 block h-1.5 overflow-hidden rounded-full bg-idle-soft"
      >
        <span
          className={cx(
            'block h-full rounded-full',
            used > 0.9 ? 'bg-bad-mark' : used > 0.8 ? 'bg-warn-mark' : 'bg-accent',
          )}
          style={{ width: `${used * 100}%` }}
        />
      </span>
    </span>
  );
}

function FailureText({ failure, tone }: { failure: Failure; tone: 'bad' | 'warn' }) {
  const { code, message, hint } = failure;
  return (
    <div className={cx('rounded-lg p-3', tone === 'bad' ? 'bg-bad-soft' : 'bg-warn-soft')}>
      <p
        className={cx(
          'font-semibold first-letter:uppercase',
          tone === 'bad' ? 'text-bad' : 'text-warn',
        )}
      >
        {message}
      </p>
      <p className="first-letter:uppercase">
        <Prose text={hint} />
      </p>
      <a
        href={`/errors/${code}`}
        target="_blank"
        rel="noreferrer"
        className="text-sm font-medium underline underline-offset-2"
      >
        {words.errors.explain} <code className="text-xs">{code}</code>
      </a>
    </div>
  );
}
