/** Our mark: the holdfast of kelp, the root that grips the rock while the sea moves. */
import { words } from '../words';
import { cx } from '../ui/cx';

export function Mark({ className }: { className?: string }) {
  return (
    <svg viewBox="0 0 32 32" fill="none" aria-hidden className={cx('size-7 shrink-0', className)}>
      <path d="M16 4.2c4.9.7 7.1 3.6 6.7 7.4-4-.4-6.3-3.1-6.7-7.4Z" className="fill-ok-mark" />
      <path
        d="M16 9.6c-4.3.5-6.3 2.9-6 6.2 3.5-.2 5.6-2.5 6-6.2Z"
        className="fill-ok-mark opacity-70"
      />
      <g className="stroke-accent" strokeWidth="2.25" strokeLinecap="round" strokeLinejoin="round">
        <path d="M16 4.5V28" />
        <path d="M16 16c0 4.6-2.2 6.1-5.2 7.3S6.5 26 6 28" />
        <path d="M16 16c0 4.6 2.2 6.1 5.2 7.3S25.5 26 26 28" />
        <path d="M11.8 22.9c-.8 1.6-1 3.2-1.1 5.1" />
        <path d="M20.2 22.9c.8 1.6 1 3.2 1.1 5.1" />
      </g>
    </svg>
  );
}

export function Logo({ compact = false }: { compact?: boolean }) {
  return (
    <span className="flex items-center gap-2">
      <Mark />
      <span className={cx('text-[1.0625rem] font-semibold tracking-tight', compact && 'sr-only')}>
        {words.common.product}
      </span>
    </span>
  );
}
