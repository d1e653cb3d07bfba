/** Names and what they are: a description list that uses the room there is. */
import type { ReactNode } from 'react';
import { cx } from './cx';

export interface Fact {
  name: string;
  value: ReactNode;
  /** Takes the whole width. */
  wide?: boolean;
}

export function Facts({ facts, className }: { facts: readonly Fact[]; className?: string }) {
  return (
    <dl className={cx('grid grid-cols-1 gap-x-6 gap-y-3 sm:grid-cols-2', className)}>
      {facts.map(({ name, value, wide = false }) => (
        <div key={name} className={cx('min-w-0', wide && 'col-span-full')}>
          <dt className="text-sm text-ink-2">{name}</dt>
          <dd className="min-w-0 break-words">{value}</dd>
        </div>
      ))}
    </dl>
  );
}
