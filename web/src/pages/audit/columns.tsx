/** Columns of the audit log. */
import { Link } from '@tanstack/react-router';
import { createColumnHelper } from '@tanstack/react-table';
import { CircleCheck, CircleX } from 'lucide-react';
import type { AuditRow } from '../../api/queries/audit';
import { Subject } from '../../subjects/Subject';
import { Time } from '../../ui/Values';
import { whoOf } from '../../subjects/who';
import { words } from '../../words';

const text = words.audit;
const column = createColumnHelper<AuditRow>();

export const columns = [
  column.accessor('seq', {
    header: text.columns.seq,
    enableSorting: false,
    meta: { width: '4rem', align: 'end', from: 'lg' },
    cell: ({ getValue }) => <span className="num text-ink-3">{getValue()}</span>,
  }),
  column.accessor('at', {
    header: text.columns.at,
    enableSorting: false,
    meta: { width: '6.5rem' },
    cell: ({ getValue }) => <Time at={getValue()} />,
  }),
  column.accessor('principal', {
    header: text.columns.who,
    enableSorting: false,
    meta: { width: 'minmax(7rem, 1.25fr)', from: 'sm' },
    cell: ({ getValue }) => (
      <Link
        from="/audit"
        to="/audit"
        search={(before) => ({ ...before, principal: getValue() })}
        title={getValue()}
        className="truncate rounded-sm hover:underline"
      >
        {whoOf(getValue())}
      </Link>
    ),
  }),
  column.accessor('action', {
    header: text.columns.action,
    enableSorting: false,
    meta: { width: 'minmax(8.5rem, 1.5fr)' },
    cell: ({ row: { original } }) => (
      <Link
        from="/audit"
        to="/audit"
        search={(before) => ({ ...before, entry: original.seq })}
        className="truncate rounded-sm font-medium hover:underline"
      >
        {original.action.replaceAll('_', ' ')}
      </Link>
    ),
  }),
  column.accessor('target', {
    header: text.columns.target,
    enableSorting: false,
    meta: { width: 'minmax(10rem, 2fr)', from: 'md' },
    cell: ({ getValue }) => (
      <span title={getValue()} className="truncate text-sm">
        <Subject subject={getValue()} />
      </span>
    ),
  }),
  column.accessor('outcome', {
    header: text.columns.outcome,
    enableSorting: false,
    meta: { width: 'minmax(7rem, 10.5rem)' },
    cell: ({ getValue }) => <Outcome outcome={getValue()} />,
  }),
  column.accessor(({ remote }) => remote ?? '', {
    id: 'remote',
    header: text.columns.remote,
    enableSorting: false,
    meta: { width: 'minmax(6rem, 9rem)', from: 'xl' },
    cell: ({ getValue }) => <span className="num truncate text-sm text-ink-2">{getValue()}</span>,
  }),
];

export function Outcome({ outcome }: { outcome: string }) {
  return outcome === 'accepted' ? (
    <span className="flex items-center gap-1.5 text-sm text-ink-2">
      <CircleCheck aria-hidden className="size-4 text-ok" />
      {text.accepted}
    </span>
  ) : (
    <a
      href={`/errors/${outcome}`}
      target="_blank"
      rel="noreferrer"
      className="flex min-w-0 items-center gap-1.5 rounded-sm text-sm text-bad hover:underline"
    >
      <CircleX aria-hidden className="size-4 shrink-0" />
      <span className="truncate">{outcome.replaceAll('_', ' ')}</span>
    </a>
  );
}
