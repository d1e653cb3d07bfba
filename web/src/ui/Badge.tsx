/** Tones are words for colours; what carries a status also has an icon and a word. */
import {
  CircleAlert,
  CircleCheck,
  CircleDashed,
  CircleHelp,
  CircleX,
  Info,
  type LucideIcon,
} from 'lucide-react';
import type { ReactNode } from 'react';
import { cx } from './cx';

export type Tone = 'ok' | 'warn' | 'bad' | 'unknown' | 'idle' | 'info';

const SOFT: Record<Tone, string> = {
  ok: 'bg-ok-soft text-ok',
  warn: 'bg-warn-soft text-warn',
  bad: 'bg-bad-soft text-bad',
  unknown: 'bg-unknown-soft text-unknown',
  idle: 'bg-idle-soft text-idle',
  info: 'bg-info-soft text-info',
};

export const TONE_ICONS: Record<Tone, LucideIcon> = {
  ok: CircleCheck,
  warn: CircleAlert,
  bad: CircleX,
  unknown: CircleHelp,
  idle: CircleDashed,
  info: Info,
};

export const TONE_TEXT: Record<Tone, string> = {
  ok: 'text-ok',
  warn: 'text-warn',
  bad: 'text-bad',
  unknown: 'text-unknown',
  idle: 'text-idle',
  info: 'text-info',
};

interface PillProps {
  tone: Tone;
  /** The word; never left out. */
  children: ReactNode;
  icon?: LucideIcon;
  className?: string;
}

/** A state: icon, word and colour together. */
export function StatusPill({ tone, icon, children, className }: PillProps) {
  const Icon = icon ?? TONE_ICONS[tone];
  return (
    <span
      className={cx(
        'inline-flex h-6 items-center gap-1 rounded-full pr-2.5 pl-1.5 text-xs font-semibold tracking-normal whitespace-nowrap',
        SOFT[tone],
        className,
      )}
    >
      <Icon aria-hidden className="size-3.5 shrink-0" strokeWidth={2.25} />
      {children}
    </span>
  );
}

/** A label or a count; says nothing of good or bad unless it has a tone. */
export function Badge({
  tone = 'idle',
  children,
  className,
}: {
  tone?: Tone;
  children: ReactNode;
  className?: string;
}) {
  return (
    <span
      className={cx(
        'inline-flex h-5 items-center rounded-sm px-1.5 text-xs font-medium tracking-normal whitespace-nowrap',
        SOFT[tone],
        className,
      )}
    >
      {children}
    </span>
  );
}
