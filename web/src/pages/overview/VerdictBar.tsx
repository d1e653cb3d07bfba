/** Clusters by verdict: a bar for the eye, counts that are links for all. */
import { Link } from '@tanstack/react-router';
import type { Compliance } from '../../api/queries/exposure';
import { formatCount } from '../../format/size';
import { cx } from '../../ui/cx';
import { words } from '../../words';
import { ORDER, type Verdicts } from './truth';

const text = words.overview;

const MARKS: Record<Compliance, string> = {
  VIOLATED: 'bg-bad-mark',
  UNPROTECTED: 'bg-bad',
  UNKNOWN: 'bg-unknown-mark',
  AT_RISK: 'bg-warn-mark',
  EXEMPT: 'bg-info-mark',
  COMPLIANT: 'bg-ok-mark',
};

export function VerdictBar({
  verdicts,
  fleet,
  small = false,
}: {
  verdicts: Verdicts;
  /** Only of this one. */
  fleet?: string;
  small?: boolean;
}) {
  const shown = ORDER.filter((each) => (verdicts[each] ?? 0) > 0);
  return (
    <div className={cx(small && 'min-w-36')}>
      <div
        aria-hidden
        className={cx(
          'flex gap-0.5 overflow-hidden rounded-full bg-sunken',
          small ? 'h-1.5' : 'h-3',
        )}
      >
        {shown.map((verdict) => (
          <span
            key={verdict}
            className={cx('h-full min-w-1.5', MARKS[verdict])}
            style={{ flexGrow: verdicts[verdict] ?? 0, flexBasis: 0 }}
          />
        ))}
      </div>
      <ul
        aria-label={text.verdicts}
        className={cx('flex flex-wrap', small ? 'mt-1 gap-x-3 text-sm' : 'mt-3 gap-x-6 gap-y-2')}
      >
        {shown.map((verdict) => (
          <li key={verdict}>
            <Link
              to="/clusters"
              search={{ state: verdict, ...(fleet !== undefined && { fleet }) }}
              className="group flex min-h-6 items-center gap-2 rounded-sm"
            >
              <span
                aria-hidden
                className={cx('shrink-0 rounded-sm', small ? 'size-2' : 'size-2.5', MARKS[verdict])}
              />
              <span className={cx('num font-semibold', !small && 'text-lg')}>
                {formatCount(verdicts[verdict] ?? 0)}
              </span>
              <span className="text-ink-2 underline-offset-4 group-hover:underline">
                {words.clusters.verdicts[verdict]}
              </span>
            </Link>
          </li>
        ))}
      </ul>
    </div>
  );
}
