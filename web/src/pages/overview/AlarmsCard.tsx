/** What is wrong, the worst first. */
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useMemo } from 'react';
import { overview, type Alarm } from '../../api/queries/overview';
import { saidHere } from '../../format/said';
import { ErrorState } from '../../ui/States';
import { Time } from '../../ui/Values';
import { whoOf } from '../../subjects/who';
import { words } from '../../words';
import { SeverityMark, WORSE } from '../alarms/SeverityPill';
import { LINK, OverviewCard } from './parts';

const text = words.overview.alarms;

export function AlarmsCard({ counts }: { counts: Record<string, number> }) {
  const query = useQuery(overview.alarms());
  const shown = useMemo(
    () =>
      (query.data?.items ?? [])
        .toSorted((a, b) => WORSE[a.severity] - WORSE[b.severity])
        .slice(0, 6),
    [query.data],
  );
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
  return (
    <OverviewCard title={text.title} about={words.frame.alarms(total)} to="/alarms" all={text.all}>
      {query.error !== null && query.data === undefined ? (
        <div className="p-3">
          <ErrorState compact error={query.error} retry={() => void query.refetch()} />
        </div>
      ) : (
        <>
          <ul>
            {shown.map((alarm) => (
              <Row key={alarm.id} alarm={alarm} />
            ))}
          </ul>
        </>
      )}
    </OverviewCard>
  );
}

function Row({ alarm }: { alarm: Alarm }) {
  const { id, severity, title, message, openedAt, acknowledgedBy } = alarm;
  return (
    <li className="flex items-start gap-2.5 border-t border-line px-4 py-2.5">
      <span className="mt-0.5">
        <SeverityMark severity={severity} />
      </span>
      <div className="min-w-0 flex-1">
        <p className="first-letter:uppercase">
          <Link to="/alarms" search={{ alarm: id } as never} className={LINK}>
            {title}
          </Link>
        </p>
        <p className="line-clamp-2 text-sm text-ink-2">{saidHere(message)}</p>
        <p className="text-sm text-ink-3">
          <Time at={openedAt} />
          {acknowledgedBy != null && `, ${text.taken(whoOf(acknowledgedBy))}`}
        </p>
      </div>
    </li>
  );
}
