/** Columns of the list of agents. */
import { Link } from '@tanstack/react-router';
import { createColumnHelper } from '@tanstack/react-table';
import { CircleAlert } from 'lucide-react';
import type { Agent } from '../../api/queries/agents';
import { useNow } from '../../live/now';
import { cx } from '../../ui/cx';
import { None, Time } from '../../ui/Values';
import { words } from '../../words';
import { AgentPill } from './AgentPill';
import { expiryOf } from './expiry';

const text = words.agents;
const column = createColumnHelper<Agent>();
const RANK = { offline: 0, online: 1, revoked: 2 } as const;

export const columns = [
  column.accessor('name', {
    header: text.columns.name,
    meta: { width: 'minmax(7rem, 2fr)' },
    cell: ({ getValue }) => (
      <Link
        to="/agents/$agent"
        params={{ agent: getValue() }}
        className="truncate rounded-sm font-medium hover:underline"
      >
        {getValue()}
      </Link>
    ),
  }),
  column.accessor(({ state }) => RANK[state], {
    id: 'state',
    header: text.columns.state,
    meta: { width: '8rem' },
    cell: ({ row: { original } }) => <AgentPill state={original.state} />,
  }),
  column.accessor(({ lastSeenAt }) => lastSeenAt ?? undefined, {
    id: 'seen',
    header: text.columns.seen,
    meta: { width: '8rem' },
    cell: ({ getValue }) => {
      const at = getValue();
      return at === undefined ? (
        <span className="text-ink-3">{text.neverSpoke}</span>
      ) : (
        <Time at={at} />
      );
    },
  }),
  column.accessor(({ region }) => region ?? '', {
    id: 'region',
    header: text.columns.region,
    meta: { width: 'minmax(6rem, 1fr)', from: 'md' },
    cell: ({ getValue }) => (getValue() === '' ? <None /> : getValue()),
  }),
  column.accessor(({ version }) => version ?? '', {
    id: 'version',
    header: text.columns.version,
    meta: { width: 'minmax(5rem, 8rem)', from: 'md' },
    cell: ({ getValue }) =>
      getValue() === '' ? (
        <span className="text-ink-3">{text.noVersion}</span>
      ) : (
        <span className="num">{getValue()}</span>
      ),
  }),
  column.accessor('certificateExpiresAt', {
    id: 'expires',
    header: text.columns.expires,
    meta: { width: 'minmax(7rem, 10rem)', from: 'lg' },
    cell: ({ row: { original } }) => <CertificateEnd agent={original} />,
  }),
  column.accessor(({ instances }) => instances.length, {
    id: 'instances',
    header: text.columns.instances,
    meta: { width: 'minmax(8rem, 2fr)', from: 'lg' },
    cell: ({ row: { original } }) =>
      original.instances.length === 0 ? (
        <None />
      ) : (
        <span className="flex min-w-0 gap-x-2 overflow-hidden">
          {original.instances.map(({ cluster, ...seen }, index) => (
            <Link
              key={index}
              to="/clusters/$cluster"
              params={{ cluster }}
              className={cx(
                'truncate rounded-sm hover:underline',
                'unreachable' in seen && 'text-bad',
              )}
            >
              {cluster}
              {'unreachable' in seen && (
                <>
                  <CircleAlert aria-hidden className="ml-1 inline size-3.5" />
                  <span className="sr-only">{text.detail.unreachable}</span>
                </>
              )}
            </Link>
          ))}
        </span>
      ),
  }),
];

export function CertificateEnd({ agent }: { agent: Agent }) {
  const now = useNow();
  const near = agent.state !== 'revoked' && expiryOf(agent, now) !== 'fine';
  return (
    <span className={cx('flex items-center gap-1', near && 'font-medium text-warn')}>
      {near && <CircleAlert aria-hidden className="size-4" />}
      <Time at={agent.certificateExpiresAt} />
    </span>
  );
}
