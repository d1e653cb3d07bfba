/** Times, sizes, durations and WAL positions: short to read, exact on hover and for readers. */
import { formatAge, formatDuration, formatLocal, formatUtc, zoneOf } from '../format/time';
import { formatBytes, formatCount } from '../format/size';
import { useNow } from '../live/now';
import { words } from '../words';
import { cx } from './cx';
import { Tooltip } from './Tooltip';

interface Common {
  className?: string;
}

const HINTED = 'num whitespace-nowrap decoration-line-strong decoration-dotted underline-offset-4';

/** A moment: how long ago, with day, time and zone on hover and focus. */
export function Time({
  at,
  absolute = false,
  className,
}: Common & {
  at: string | Date | null | undefined;
  /** The day and time are shown and the age is on hover. */
  absolute?: boolean;
}) {
  const now = useNow();
  if (at === null || at === undefined) return <None />;
  const date = typeof at === 'string' ? new Date(at) : at;
  const age = formatAge(date.getTime(), now);
  return (
    <Tooltip
      text={() => (
        <span className="num block">
          <span className="block">{absolute ? age : `${formatLocal(date)} (${zoneOf(date)})`}</span>
          <span className="block opacity-80">{formatUtc(date)}</span>
        </span>
      )}
    >
      <time
        dateTime={date.toISOString()}
        tabIndex={0}
        className={cx(HINTED, 'hover:underline', className)}
      >
        {absolute ? formatLocal(date) : age}
      </time>
    </Tooltip>
  );
}

export function Duration({ seconds, className }: Common & { seconds: number | null | undefined }) {
  if (seconds === null || seconds === undefined) return <None />;
  return <span className={cx('num whitespace-nowrap', className)}>{formatDuration(seconds)}</span>;
}

export function Bytes({ bytes, className }: Common & { bytes: number | null | undefined }) {
  if (bytes === null || bytes === undefined) return <None />;
  return (
    <span
      className={cx('num whitespace-nowrap', className)}
      title={words.common.bytes(formatCount(bytes))}
    >
      {formatBytes(bytes)}
    </span>
  );
}

/** A position in WAL. */
export function Lsn({ at, className }: Common & { at: string | null | undefined }) {
  if (at === null || at === undefined) return <None />;
  return <code className={cx('num text-[0.8125rem] whitespace-nowrap', className)}>{at}</code>;
}

/** There is no value; a screen reader hears so. */
export function None() {
  return (
    <span className="text-ink-3">
      <span aria-hidden>–</span>
      <span className="sr-only">{words.common.none}</span>
    </span>
  );
}
