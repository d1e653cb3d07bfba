/** Facts by name: as many columns as there is room for. */
import type { ReactNode } from 'react';
import { formatLocal, formatUtc } from '../../format/time';
import { cx } from '../../ui/cx';
import { None } from '../../ui/Values';

export interface Fact {
  term: string;
  value: ReactNode;
  /** It needs a line of its own. */
  wide?: boolean;
}

export function Facts({ facts, className }: { facts: readonly Fact[]; className?: string }) {
  return (
    <dl
      className={cx(
        'grid grid-cols-[repeat(auto-fill,minmax(min(100%,8.75rem),1fr))] gap-x-6 gap-y-3.5',
        className,
      )}
    >
      {facts.map(({ term, value, wide }) => (
        <div key={term} className={cx('min-w-0', wide === true && 'col-span-full')}>
          <dt className="text-sm text-ink-3">{term}</dt>
          <dd className="min-w-0 break-words">{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** A moment as a figure: the time of day large, the day under it. */
export function MomentFigure({
  label,
  at,
  note,
}: {
  label: string;
  at: string | null | undefined;
  note?: string | undefined;
}) {
  if (at === null || at === undefined) {
    return (
      <Figure label={label}>
        <None />
      </Figure>
    );
  }
  const date = new Date(at);
  const [day, clock] = formatLocal(date).split(' ');
  return (
    <Figure label={label} note={[day, note].filter((part) => part !== undefined).join(', ')}>
      <time dateTime={date.toISOString()} title={formatUtc(date)}>
        {clock}
      </time>
    </Figure>
  );
}

/** One number that matters, with what it means. */
export function Figure({
  label,
  children,
  note,
  tone,
}: {
  label: string;
  children: ReactNode;
  note?: ReactNode;
  tone?: 'bad' | 'warn' | 'ok' | undefined;
}) {
  return (
    <div className="min-w-0">
      <p className="text-sm text-ink-2">{label}</p>
      <p
        className={cx(
          'num truncate text-xl font-semibold tracking-tight',
          tone === 'bad' && 'text-bad',
          tone === 'warn' && 'text-warn',
          tone === 'ok' && 'text-ok',
        )}
      >
        {children}
      </p>
      {note !== undefined && <p className="text-sm text-ink-3">{note}</p>}
    </div>
  );
}
