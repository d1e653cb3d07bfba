/** One of a few, as a card: the platform's radio button, so that keys and readers know it. */
import type { LucideIcon } from 'lucide-react';
import type { ReactNode } from 'react';
import { cx } from '../../ui/cx';

export function Choice({
  name,
  icon: Icon,
  title,
  about,
  aside,
  checked,
  onChoose,
}: {
  /** Of the group. */
  name: string;
  icon?: LucideIcon;
  title: string;
  about?: ReactNode;
  aside?: ReactNode;
  checked: boolean;
  onChoose: () => void;
}) {
  return (
    <label
      className={cx(
        'flex cursor-pointer items-start gap-3 rounded-lg border p-3 transition-colors has-focus-visible:outline-2 has-focus-visible:outline-offset-2 has-focus-visible:outline-focus',
        checked
          ? 'border-accent bg-accent-soft'
          : 'border-line-strong bg-surface hover:border-ink-3 hover:bg-hover',
      )}
    >
      <input
        type="radio"
        name={name}
        aria-label={title}
        checked={checked}
        onChange={onChoose}
        className="mt-1 size-4 shrink-0 accent-accent outline-none"
      />
      <span className="min-w-0 flex-1">
        <span className="flex items-center gap-2 font-medium">
          {Icon !== undefined && <Icon aria-hidden className="size-4 shrink-0 text-ink-2" />}
          <span className="truncate">{title}</span>
        </span>
        {about !== undefined && <span className="block text-sm text-ink-2">{about}</span>}
      </span>
      {aside}
    </label>
  );
}
