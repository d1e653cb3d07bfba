/** How much of it was proved by restoring it. */
import { Link } from '@tanstack/react-router';
import { useMemo } from 'react';
import type { WholeList } from '../../api/pages';
import type { Exposure } from '../../api/queries/exposure';
import { formatCount } from '../../format/size';
import { cx } from '../../ui/cx';
import { Skeleton } from '../../ui/States';
import { words } from '../../words';
import { OverviewCard } from './parts';
import { PROOFS, proofsOf, type ProofState } from './truth';

const text = words.overview.drills;

const MARKS: Record<ProofState, string> = {
  proven: 'bg-ok-mark',
  drill_too_old: 'bg-warn-mark',
  no_drill: 'bg-idle-mark',
  drill_failed: 'bg-bad-mark',
  unknown: 'bg-unknown-mark',
};

export function DrillsCard({ exposures }: { exposures: WholeList<Exposure> }) {
  const counts = useMemo(() => proofsOf(exposures.items), [exposures.items]);
  const all = exposures.items.length;
  const shown = PROOFS.filter((each) => counts[each] > 0);
  return (
    <OverviewCard title={text.title} about={text.about} to="/drills" all={text.all}>
      <div className="border-t border-line px-4 py-3">
        {exposures.pending ? (
          <Skeleton className="h-10 w-full" />
        ) : (
          <>
            <div aria-hidden className="flex h-2 gap-0.5 overflow-hidden rounded-full bg-sunken">
              {shown.map((each) => (
                <span
                  key={each}
                  className={cx('h-full min-w-1', MARKS[each])}
                  style={{ flexGrow: counts[each], flexBasis: 0 }}
                />
              ))}
            </div>
            <ul className="mt-2.5 space-y-1">
              {shown.map((each) => (
                <li key={each} className="flex items-center gap-2">
                  <span aria-hidden className={cx('size-2.5 rounded-sm', MARKS[each])} />
                  <Link
                    to="/clusters"
                    search={{ proof: each } as never}
                    className="rounded-sm underline-offset-4 hover:underline"
                  >
                    {text[each]}
                  </Link>
                  <span className="num ml-auto text-ink-2">
                    {text.of(formatCount(counts[each]), formatCount(all))}
                  </span>
                </li>
              ))}
            </ul>
          </>
        )}
      </div>
    </OverviewCard>
  );
}
