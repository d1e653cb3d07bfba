/** How much of it was proved by restoring it. */
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { overview } from '../../api/queries/overview';
import { formatCount } from '../../format/size';
import { cx } from '../../ui/cx';
import { ErrorState, Skeleton } from '../../ui/States';
import { words } from '../../words';
import { OverviewCard } from './parts';
import { PROOFS, type ProofState } from './truth';

const text = words.overview.drills;

const MARKS: Record<ProofState, string> = {
  proven: 'bg-ok-mark',
  drill_too_old: 'bg-warn-mark',
  no_drill: 'bg-idle-mark',
  drill_failed: 'bg-bad-mark',
};

export function DrillsCard() {
  const { data, error, refetch } = useQuery(overview.worst());
  const counts: Partial<Record<ProofState, number>> = data?.proofs ?? {};
  const shown = PROOFS.flatMap((each) => {
    const count = counts[each] ?? 0;
    return count > 0 ? [{ each, count }] : [];
  });
  const all = formatCount(shown.reduce((sum, { count }) => sum + count, 0));
  return (
    <OverviewCard title={text.title} about={text.about} to="/drills" all={text.all}>
      <div className="border-t border-line px-4 py-3">
        {data === undefined ? (
          error === null ? (
            <Skeleton className="h-10 w-full" />
          ) : (
            <ErrorState compact error={error} retry={() => void refetch()} />
          )
        ) : (
          <>
            <div aria-hidden className="flex h-2 gap-0.5 overflow-hidden rounded-full bg-sunken">
              {shown.map(({ each, count }) => (
                <span
                  key={each}
                  className={cx('h-full min-w-1', MARKS[each])}
                  style={{ flexGrow: count, flexBasis: 0 }}
                />
              ))}
            </div>
            <ul className="mt-2.5 space-y-1">
              {shown.map(({ each, count }) => (
                <li key={each} className="flex items-center gap-2">
                  <span aria-hidden className={cx('size-2.5 rounded-sm', MARKS[each])} />
                  <Link
                    to="/clusters"
                    search={{ proof: each } as never}
                    className="rounded-sm underline-offset-4 hover:underline"
                  >
                    {text[each]}
                  </Link>
                  <span className="num ml-auto text-ink-2">{text.of(formatCount(count), all)}</span>
                </li>
              ))}
            </ul>
          </>
        )}
      </div>
    </OverviewCard>
  );
}
