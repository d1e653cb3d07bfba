/**
 * A grid of clusters by days, of any length: only rows that are seen are drawn, and the
 * days of a row are asked for when it is. One cell at a time takes the focus; arrows move
 * it, Enter opens that time on the cluster's band.
 */
import { useRouter } from '@tanstack/react-router';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useRef, useState, type KeyboardEvent } from 'react';
import type { ComplianceRow, Period } from '../../api/queries/compliance';
import { cx } from '../../ui/cx';
import { words } from '../../words';
import type { Target } from './budget';
import { nameOf, type Day } from './days';
import { HeatmapRow } from './HeatmapRow';

const text = words.compliance.heatmap;
const ROW = 44;

export const COLUMNS =
  'grid grid-cols-[minmax(6rem,9rem)_minmax(0,1fr)] sm:grid-cols-[minmax(8rem,13rem)_minmax(0,1fr)_4.5rem] lg:grid-cols-[minmax(8rem,15rem)_minmax(0,1fr)_5rem_10rem_2.25rem]';

export interface HeatmapTip {
  text: string;
  x: number;
  y: number;
}

export function Heatmap({
  rows,
  pending,
  days,
  period,
  target,
  onExcuse,
}: {
  rows: readonly ComplianceRow[];
  pending: boolean;
  days: readonly Day[];
  period: Period;
  target: Target;
  onExcuse: (cluster: string) => void;
}) {
  const router = useRouter();
  const scroller = useRef<HTMLDivElement>(null);
  const [active, setActive] = useState({ row: 0, day: days.length - 1 });
  const [tip, setTip] = useState<HeatmapTip>();
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW,
    overscan: 4,
  });
  const onKeyDown = (event: KeyboardEvent) => {
    const to = movedBy(event.key, active, rows.length, days.length);
    if (to === undefined || !(event.target as Element).matches('[data-cell]')) return;
    event.preventDefault();
    setActive(to);
    virtual.scrollToIndex(to.row);
    requestAnimationFrame(() =>
      scroller.current
        ?.querySelector<HTMLElement>(`[data-cell="${to.row}:${to.day}"]`)
        ?.focus({ preventScroll: true }),
    );
  };
  const show = (target_: EventTarget) => {
    const cell = target_ instanceof Element ? target_.closest<HTMLElement>('[data-cell]') : null;
    if (cell === null) return setTip(undefined);
    const box = cell.getBoundingClientRect();
    setTip({
      text: cell.getAttribute('aria-label') ?? '',
      x: box.left + box.width / 2,
      y: box.top,
    });
  };
  return (
    <div>
      <p id="heatmap-keys" className="sr-only">
        {text.keys}
      </p>
      <div
        ref={scroller}
        role="grid"
        tabIndex={-1}
        aria-label={text.label}
        aria-describedby="heatmap-keys"
        aria-rowcount={rows.length + 1}
        aria-colcount={days.length + 1}
        aria-busy={pending || undefined}
        onKeyDown={onKeyDown}
        onPointerOver={(event) => show(event.target)}
        onPointerLeave={() => setTip(undefined)}
        onFocus={(event) => show(event.target)}
        onBlur={() => setTip(undefined)}
        onClick={(event) => {
          const link = (event.target as Element).closest<HTMLAnchorElement>('a[data-cell]');
          // New tabs and such are the browser's.
          if (link === null || event.metaKey || event.ctrlKey || event.shiftKey) return;
          event.preventDefault();
          router.history.push(link.getAttribute('href') ?? '/');
        }}
        className="scroll-quiet max-h-[min(70dvh,60rem)] min-h-40 overflow-auto border-y border-line"
      >
        <Header days={days} />
        <div role="rowgroup" className="relative" style={{ height: virtual.getTotalSize() }}>
          {virtual.getVirtualItems().map(({ index, start, size }) => {
            const row = rows[index];
            return (
              row && (
                <HeatmapRow
                  key={row.cluster}
                  row={row}
                  index={index}
                  days={days}
                  period={period}
                  target={target}
                  active={active.row === index ? active.day : undefined}
                  onActive={(day) => setActive({ row: index, day })}
                  onExcuse={onExcuse}
                  style={{ height: size, transform: `translateY(${start}px)` }}
                />
              )
            );
          })}
        </div>
      </div>
      {tip !== undefined && (
        <div
          aria-hidden
          className="num pointer-events-none fixed z-40 max-w-72 -translate-x-1/2 -translate-y-full rounded-md bg-ink px-2.5 py-1.5 text-xs font-medium text-surface shadow-float"
          style={{
            left: Math.min(Math.max(tip.x, 110), globalThis.innerWidth - 110),
            top: tip.y - 6,
          }}
        >
          {tip.text}
        </div>
      )}
    </div>
  );
}

function Header({ days }: { days: readonly Day[] }) {
  const every = days.length > 45 ? 14 : days.length > 20 ? 7 : days.length > 10 ? 2 : 1;
  return (
    <div role="rowgroup" className="sticky top-0 z-10 bg-sunken">
      <div
        role="row"
        aria-rowindex={1}
        className={cx(COLUMNS, 'border-b border-line text-xs text-ink-2')}
      >
        <span role="columnheader" className="flex h-9 items-center px-4 font-semibold">
          {text.cluster}
        </span>
        <span role="columnheader" aria-label={text.label} className="flex items-center pr-4">
          {days.map((day, index) => (
            <span key={day.from} className="num relative h-4 min-w-0 flex-1 text-ink-3">
              {(days.length - 1 - index) % every === 0 && (
                <span className="absolute right-0 whitespace-nowrap">{nameOf(day)}</span>
              )}
            </span>
          ))}
        </span>
        <span
          role="columnheader"
          className="hidden items-center justify-end px-2 font-semibold whitespace-nowrap sm:flex"
        >
          {text.kept}
        </span>
        <span
          role="columnheader"
          className="hidden items-center px-2 font-semibold whitespace-nowrap lg:flex"
        >
          {text.budget}
        </span>
      </div>
    </div>
  );
}

interface Place {
  row: number;
  day: number;
}

export function movedBy(key: string, { row, day }: Place, rows: number, days: number) {
  const to = (nextRow: number, nextDay: number): Place => ({
    row: Math.min(rows - 1, Math.max(0, nextRow)),
    day: Math.min(days - 1, Math.max(0, nextDay)),
  });
  switch (key) {
    case 'ArrowLeft':
      return to(row, day - 1);
    case 'ArrowRight':
      return to(row, day + 1);
    case 'ArrowUp':
      return to(row - 1, day);
    case 'ArrowDown':
      return to(row + 1, day);
    case 'Home':
      return to(row, 0);
    case 'End':
      return to(row, days - 1);
    case 'PageUp':
      return to(row - 10, day);
    case 'PageDown':
      return to(row + 10, day);
    default:
      return undefined;
  }
}
