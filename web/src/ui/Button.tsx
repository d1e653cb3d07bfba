import type { LucideIcon } from 'lucide-react';
import { Slot } from 'radix-ui';
import type { ComponentProps } from 'react';
import { cx } from './cx';
import { Tooltip } from './Tooltip';

const VARIANTS = {
  primary:
    'bg-accent text-on-accent shadow-lift hover:bg-accent-strong disabled:bg-idle-soft disabled:text-ink-3',
  secondary:
    'border border-line-strong bg-surface text-ink shadow-lift hover:bg-hover disabled:text-ink-3',
  ghost: 'text-ink-2 hover:bg-hover hover:text-ink disabled:text-ink-3',
  danger:
    'bg-bad text-surface shadow-lift hover:brightness-110 disabled:bg-idle-soft disabled:text-ink-3',
} as const;

const SIZES = {
  sm: 'h-7 gap-1.5 px-2.5 text-sm',
  md: 'h-9 gap-2 px-3.5 text-base',
  lg: 'h-11 gap-2 px-5 text-lg',
} as const;

export interface ButtonProps extends ComponentProps<'button'> {
  variant?: keyof typeof VARIANTS;
  size?: keyof typeof SIZES;
  icon?: LucideIcon;
  /** Work is under way: the button says so, and takes no second press. */
  busy?: boolean;
  /** Gives its looks to the one child, such as a link. */
  asChild?: boolean;
}

const BASE =
  'inline-flex shrink-0 items-center justify-center rounded-md font-medium whitespace-nowrap transition-colors disabled:cursor-not-allowed';

export function Button({
  variant = 'secondary',
  size = 'md',
  icon: Icon,
  busy = false,
  asChild = false,
  className,
  children,
  disabled,
  ...rest
}: ButtonProps) {
  const classes = cx(BASE, VARIANTS[variant], SIZES[size], className);
  if (asChild) {
    return (
      <Slot.Root className={classes} {...rest}>
        {children}
      </Slot.Root>
    );
  }
  return (
    <button
      type="button"
      className={classes}
      disabled={disabled === true || busy}
      aria-busy={busy || undefined}
      {...rest}
    >
      {busy ? <Turning /> : Icon !== undefined && <Icon aria-hidden className="size-4 shrink-0" />}
      {children}
    </button>
  );
}

/** For what takes less than a second; longer work shows its progress. */
function Turning() {
  return (
    <span
      aria-hidden
      className="size-3.5 animate-spin rounded-full border-2 border-current border-r-transparent"
    />
  );
}

export interface IconButtonProps extends Omit<ComponentProps<'button'>, 'children'> {
  icon: LucideIcon;
  /** Its name: for screen readers, and on hover. */
  label: string;
  size?: 'sm' | 'md';
}

export function IconButton({
  icon: Icon,
  label,
  size = 'md',
  className,
  ...rest
}: IconButtonProps) {
  return (
    <Tooltip text={label}>
      <button
        type="button"
        aria-label={label}
        className={cx(
          'inline-flex shrink-0 items-center justify-center rounded-md text-ink-2 transition-colors hover:bg-hover hover:text-ink disabled:text-ink-3',
          size === 'sm' ? 'size-7' : 'size-9',
          className,
        )}
        {...rest}
      >
        <Icon aria-hidden className={size === 'sm' ? 'size-4' : 'size-[1.125rem]'} />
      </button>
    </Tooltip>
  );
}
