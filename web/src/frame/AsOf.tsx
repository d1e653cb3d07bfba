/** How current the page is: in the top bar always, in a banner when something is wrong. */
import { CloudOff, Radio, TriangleAlert, WifiOff } from 'lucide-react';
import { formatClock } from '../format/time';
import { useCurrency } from '../live/LiveContext';
import { cx } from '../ui/cx';
import { Tooltip } from '../ui/Tooltip';
import { words } from '../words';

const text = words.frame;

export function AsOf() {
  const { stream, stale, trouble, asOf } = useCurrency();
  const bad = stale && trouble !== undefined;
  const word = bad
    ? text.stale
    : stream === 'live'
      ? text.live
      : stream === 'down'
        ? text.polling
        : text.connecting;
  return (
    <Tooltip text={stream === 'live' && !bad ? text.liveAbout : text.pollingAbout} side="bottom">
      <span
        tabIndex={0}
        className="num flex items-center gap-1.5 rounded-md px-1.5 text-sm whitespace-nowrap text-ink-2"
      >
        <span
          aria-hidden
          className={cx(
            'size-2 rounded-full',
            bad ? 'bg-bad-mark' : stream === 'live' ? 'bg-ok-mark' : 'bg-warn-mark',
          )}
        />
        <span className="hidden font-medium text-ink sm:inline">{word}</span>
        <span className="sr-only sm:hidden">{word}</span>
        {asOf !== undefined && (
          <span>
            <span className="hidden md:inline">{text.asOf(formatClock(asOf))}</span>
            <span className="md:hidden">{formatClock(asOf)}</span>
          </span>
        )}
      </span>
    </Tooltip>
  );
}

export function StaleBanner() {
  const { stale, trouble, asOf } = useCurrency();
  const clock = asOf === undefined ? text.banner.never : formatClock(asOf);
  const shown =
    trouble === 'unavailable'
      ? { icon: CloudOff, said: text.banner.unavailable(clock), bad: true }
      : trouble === 'unreachable'
        ? { icon: WifiOff, said: text.banner.unreachable(clock), bad: true }
        : { icon: Radio, said: text.banner.down, bad: false };
  const Icon = stale ? shown.icon : TriangleAlert;
  return (
    <div role="status">
      {stale && (
        <p
          className={cx(
            'flex items-start gap-2.5 border-b border-line px-4 py-2.5 text-sm font-medium sm:px-6',
            shown.bad ? 'bg-bad-soft text-bad' : 'bg-warn-soft text-warn',
          )}
        >
          <Icon aria-hidden className="mt-px size-[1.125rem] shrink-0" />
          {shown.said}
        </p>
      )}
    </div>
  );
}
