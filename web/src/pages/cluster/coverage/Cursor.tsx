/**
 * The line that is dragged along the band: a slider, so that keys and screen readers
 * move it too. It only says where; what is there is asked elsewhere.
 */
import { CircleAlert, CircleCheck, CircleX } from 'lucide-react';
import type { KeyboardEvent } from 'react';
import type { TimeScale } from '../../../charts/scale';
import { formatLocal } from '../../../format/time';
import { cx } from '../../../ui/cx';
import { words } from '../../../words';
import { nextLandmark, pointedAt, previousLandmark, type Here, type Moment } from './point';

const text = words.coverage;

const LOOKS = {
  covered: { icon: CircleCheck, flag: 'bg-ok text-surface', line: 'bg-ok' },
  hole: { icon: CircleX, flag: 'bg-bad text-surface', line: 'bg-bad' },
  before: { icon: CircleX, flag: 'bg-bad text-surface', line: 'bg-bad' },
  after: { icon: CircleAlert, flag: 'bg-warn text-surface', line: 'bg-warn' },
  nothing: { icon: CircleX, flag: 'bg-idle text-surface', line: 'bg-idle' },
} as const;

const FLAG = 196;

export function Cursor({
  scale,
  width,
  moment,
  here,
  landmarks,
  onMove,
  onZoom,
  describedBy,
}: {
  scale: TimeScale;
  width: number;
  moment: Moment;
  here: Here;
  landmarks: readonly Moment[];
  onMove: (moment: Moment) => void;
  onZoom: (factor: number) => void;
  describedBy: string;
}) {
  const { at } = moment;
  const outside = at < scale.from ? 'left' : at > scale.to ? 'right' : undefined;
  const x = Math.min(width, Math.max(0, scale.x(at)));
  const { icon: Icon, flag, line } = LOOKS[here.place];
  const onKeyDown = (event: KeyboardEvent) => {
    const factor = { '+': 0.5, '=': 0.5, '-': 2 }[event.key];
    const moved = movedBy(event, at, scale, width, landmarks);
    if (factor === undefined && moved === undefined) return;
    event.preventDefault();
    if (factor !== undefined) onZoom(factor);
    if (moved !== undefined) onMove(moved);
  };
  return (
    <div
      role="slider"
      tabIndex={0}
      aria-label={text.cursor.name}
      aria-describedby={describedBy}
      aria-orientation="horizontal"
      aria-valuemin={Math.round(scale.from / 1000)}
      aria-valuemax={Math.round(scale.to / 1000)}
      aria-valuenow={Math.round(Math.min(scale.to, Math.max(scale.from, at)) / 1000)}
      aria-valuetext={text.cursor.text(formatLocal(new Date(at)), text.places[here.place])}
      onKeyDown={onKeyDown}
      className="group absolute inset-y-0 z-10 w-5 -translate-x-1/2 cursor-ew-resize touch-none rounded-md"
      style={{ left: x, opacity: outside === undefined ? 1 : 0.45 }}
    >
      <span className={cx('absolute top-6 bottom-0 left-1/2 w-0.5 -translate-x-1/2', line)} />
      <span
        className={cx(
          'num absolute top-0 flex h-6 w-[196px] items-center justify-center gap-1.5 rounded-full text-xs font-semibold whitespace-nowrap shadow-lift',
          flag,
        )}
        style={{ left: 10 - Math.min(Math.max(FLAG / 2, FLAG - (width - x)), x) }}
      >
        <Icon aria-hidden className="size-3.5" strokeWidth={2.25} />
        {formatLocal(new Date(at))}
      </span>
      <span
        aria-hidden
        className={cx(
          'absolute bottom-0 left-1/2 flex h-5 w-3.5 -translate-x-1/2 items-center justify-center gap-0.5 rounded-sm shadow-lift',
          flag,
        )}
      >
        <span className="h-2.5 w-px bg-current opacity-70" />
        <span className="h-2.5 w-px bg-current opacity-70" />
      </span>
    </div>
  );
}

/** Where a key moves it to; undefined when it is no key of the slider. */
export function movedBy(
  { key, shiftKey }: Pick<KeyboardEvent, 'key' | 'shiftKey'>,
  at: number,
  scale: TimeScale,
  width: number,
  landmarks: readonly Moment[],
): Moment | undefined {
  const pixel = (scale.to - scale.from) / Math.max(1, width);
  const step = Math.max(pixel > 500 ? 1000 : 1, pixel * (shiftKey ? 40 : 4));
  const to = (next: number) => pointedAt(Math.min(scale.to, Math.max(scale.from, next)), pixel);
  switch (key) {
    case 'ArrowLeft':
    case 'ArrowDown':
      return to(at - step);
    case 'ArrowRight':
    case 'ArrowUp':
      return to(at + step);
    case 'Home':
      return to(scale.from);
    case 'End':
      return to(scale.to);
    case 'PageUp':
      return previousLandmark(landmarks, at);
    case 'PageDown':
      return nextLandmark(landmarks, at);
    default:
      return undefined;
  }
}
