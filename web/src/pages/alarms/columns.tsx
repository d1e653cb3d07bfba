/** Columns of the list of alarms. */
import { Link } from '@tanstack/react-router';
import { createColumnHelper } from '@tanstack/react-table';
import type { Alarm } from '../../api/queries/alarms';
import { saidHere } from '../../format/said';
import { Subject } from '../../subjects/Subject';
import { Time } from '../../ui/Values';
import { whoOf } from '../../subjects/who';
import { words } from '../../words';
import { SeverityMark, WORSE } from './SeverityPill';

const text = words.alarms;
const column = createColumnHelper<Alarm>();

export const columns = [
  column.accessor(({ severity }) => WORSE[severity], {
    id: 'alarm',
    header: text.columns.alarm,
    meta: { width: 'minmax(12rem, 4fr)' },
    cell: ({ row: { original } }) => (
      <span className="flex min-w-0 items-start gap-2.5">
        <SeverityMark severity={original.severity} />
        <span className="min-w-0 leading-tight">
          <Link
            from="/alarms"
            to="/alarms"
            search={(before) => ({ ...before, alarm: original.id })}
            className="block truncate rounded-sm font-medium first-letter:uppercase hover:underline"
          >
            {original.title}
          </Link>
          <span title={saidHere(original.message)} className="line-clamp-2 text-sm text-ink-2">
            {saidHere(original.message)}
          </span>
        </span>
      </span>
    ),
  }),
  column.accessor('subject', {
    id: 'about',
    header: text.columns.about,
    meta: { width: 'minmax(9rem, 2fr)', from: 'md' },
    cell: ({ row: { original } }) => (
      <span className="line-clamp-2 min-w-0 text-sm">
        <Subject subject={original.subject} />
      </span>
    ),
  }),
  column.accessor(({ since, openedAt }) => since ?? openedAt, {
    id: 'since',
    header: text.columns.since,
    meta: { width: '7rem' },
    cell: ({ row: { original }, getValue }) => (
      <span className="leading-tight">
        <Time at={getValue()} className="block" />
        {original.count > 1 && (
          <span className="num block text-xs text-ink-3">{text.times(original.count)}</span>
        )}
      </span>
    ),
  }),
  column.accessor(({ acknowledgedBy }) => acknowledgedBy ?? '', {
    id: 'state',
    header: text.columns.state,
    meta: { width: 'minmax(8rem, 12rem)', from: 'lg' },
    cell: ({ row: { original } }) => <State alarm={original} />,
  }),
];

function State({ alarm }: { alarm: Alarm }) {
  const { closedAt, acknowledgedBy, silencedUntil } = alarm;
  return (
    <span className="min-w-0 text-sm leading-tight text-ink-2">
      {closedAt ? (
        <span className="block">
          {text.over} <Time at={closedAt} />
        </span>
      ) : (
        <span className="block truncate">
          {acknowledgedBy ? text.takenBy(whoOf(acknowledgedBy)) : text.nobody}
        </span>
      )}
      {silencedUntil && (
        <span className="block text-ink-3">
          {text.silenced} <Time at={silencedUntil} />
        </span>
      )}
    </span>
  );
}
