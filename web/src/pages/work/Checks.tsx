/** What was looked at, what was expected, and what was seen. */
import { CircleCheck, CircleX } from 'lucide-react';
import type { ReactNode } from 'react';
import { cx } from '../../ui/cx';
import { words } from '../../words';

export interface CheckLine {
  name: ReactNode;
  passed: boolean;
  /** What was seen, or why it failed. */
  seen?: ReactNode;
  took?: ReactNode;
}

export function Checks({ label, checks }: { label: string; checks: readonly CheckLine[] }) {
  return (
    <ul aria-label={label} className="divide-y divide-line">
      {checks.map(({ name, passed, seen, took }, index) => {
        const Icon = passed ? CircleCheck : CircleX;
        return (
          <li key={index} className="flex items-start gap-2.5 py-2">
            <Icon
              aria-hidden
              className={cx('mt-0.5 size-4 shrink-0', passed ? 'text-ok' : 'text-bad')}
            />
            <div className="min-w-0 flex-1 break-words">
              <span className="font-medium">{name}</span>
              <span className="sr-only">
                {passed ? words.work.passedCheck : words.work.failedCheck}
              </span>
              {seen !== undefined && <p className="text-sm text-ink-2">{seen}</p>}
            </div>
            {took !== undefined && <span className="num shrink-0 text-sm text-ink-3">{took}</span>}
          </li>
        );
      })}
    </ul>
  );
}
