import { Progress as Radix } from 'radix-ui';
import { formatPercent } from '../format/size';
import { words } from '../words';
import { cx } from './cx';

/** How far long work is; without a share it says that nobody knows. */
export function Progress({
  label,
  share,
  className,
}: {
  label: string;
  /** From 0 to 1. */
  share: number | undefined;
  className?: string;
}) {
  const said = share === undefined ? words.common.progressUnknown : formatPercent(share);
  const width = share === undefined ? 30 : Math.max(0, Math.min(1, share)) * 100;
  return (
    <Radix.Root
      aria-label={label}
      value={share === undefined ? null : width}
      getValueLabel={() => said}
      className={cx('h-1.5 overflow-hidden rounded-full bg-idle-soft', className)}
    >
      <Radix.Indicator
        className={cx('h-full rounded-full bg-accent', share === undefined && 'animate-pulse-soft')}
        style={{ width: `${width}%` }}
      />
    </Radix.Root>
  );
}
