/** What is not there yet says so, instead of being left out in silence. */
import { Hourglass } from 'lucide-react';
import type { ReactNode } from 'react';
import { cx } from '../ui/cx';
import { words } from '../words';

export function Later({ children, className }: { children: ReactNode; className?: string }) {
  return (
    <div
      className={cx(
        'flex items-start gap-3 rounded-lg border border-dashed border-line-strong px-4 py-3 text-ink-2',
        className,
      )}
    >
      <Hourglass aria-hidden className="mt-0.5 size-4 shrink-0 text-ink-3" />
      <p>
        <span className="font-medium text-ink">{words.acts.later}</span>
        {': '}
        {children}
      </p>
    </div>
  );
}
