/** The lanes on one scale of time, and the line that goes through all of them. */
import { useId, useMemo, useRef, useState, type PointerEvent } from 'react';
import type { ClusterCoverage } from '../../../api/queries/coverage';
import { timeScale, timeTicks, type Tick, type TimeScale } from '../../../charts/scale';
import { words } from '../../../words';
import { Cursor } from './Cursor';
import { DrillLane, ViolationLane } from './EventLanes';
import { Lane } from './Lane';
import { backupGroups, nearestWithin, standsAt } from './layout';
import { moment as momentOf, pointedAt, whatIsAt, type Moment } from './point';
import { pan, zoom, type View } from './range';
import type { Tip } from './tips';
import { useWheel } from './useWheel';
import { useWidth } from './useWidth';

const text = words.coverage;
/** Marks draw a point that is let go beside them to themselves. */
const MAGNET = 6;

export interface BandProps {
  data: ClusterCoverage;
  view: View;
  moment: Moment;
  landmarks: readonly Moment[];
  onDrag: (moment: Moment) => void;
  onChoose: (moment: Moment) => void;
  onView: (view: View) => void;
}

export function Band({ data, view, moment, landmarks, onDrag, onChoose, onView }: BandProps) {
  const [width, ref] = useWidth();
  const [tip, setTip] = useState<Tip>();
  const dragging = useRef(false);
  const keys = useId();
  const scale = useMemo(() => timeScale(view.from, view.to, width), [view, width]);
  const ticks = useMemo(
    () => timeTicks(view.from, view.to, Math.max(2, Math.floor(width / 110))),
    [view, width],
  );
  const here = useMemo(() => whatIsAt(data, moment.at), [data, moment.at]);
  const now = Date.parse(data.asOf);

  const under = (event: PointerEvent<HTMLElement>): Moment => {
    const x = event.clientX - event.currentTarget.getBoundingClientRect().left;
    return momentAt(x, data, scale, width);
  };
  const onPointerDown = (event: PointerEvent<HTMLElement>) => {
    // Links in the lanes stay links.
    if (event.button !== 0 || (event.target as Element).closest('a, button, time') !== null) return;
    dragging.current = true;
    event.currentTarget.setPointerCapture(event.pointerId);
    setTip(undefined);
    onDrag(under(event));
  };
  const onPointerMove = (event: PointerEvent<HTMLElement>) => {
    if (dragging.current) onDrag(under(event));
  };
  const onPointerUp = (event: PointerEvent<HTMLElement>) => {
    if (!dragging.current) return;
    dragging.current = false;
    onChoose(under(event));
  };
  const wheel = useWheel((event, x) => {
    const sideways = Math.abs(event.deltaX) > Math.abs(event.deltaY);
    if (event.altKey || event.ctrlKey) {
      onView(zoom(view, event.deltaY > 0 ? 1.3 : 1 / 1.3, scale.at(x), now));
      return true;
    }
    if (!event.shiftKey && !sideways) return false;
    onView(pan(view, Math.sign(event.deltaX || event.deltaY) * 0.12, now));
    return true;
  });
  // What is dragged over is not what is looked at.
  const tell = (next: Tip | undefined) => setTip(dragging.current ? undefined : next);
  const lanes = { scale, ticks, width, onTip: tell };
  return (
    <div ref={wheel}>
      <p id={keys} className="sr-only">
        {text.cursor.keys}
      </p>
      <div
        ref={ref}
        onPointerDown={onPointerDown}
        onPointerMove={onPointerMove}
        onPointerUp={onPointerUp}
        onPointerCancel={() => (dragging.current = false)}
        className="relative touch-pan-y pb-6 select-none"
      >
        {width > 0 && (
          <>
            <div className="h-7" />
            <ViolationLane coverage={data} {...lanes} />
            {data.repositories.map((repository, index) => (
              <Lane
                key={repository.repository}
                repository={repository}
                first={index === 0}
                backups={data.backups}
                now={now}
                {...lanes}
              />
            ))}
            <DrillLane coverage={data} {...lanes} />
            <Axis scale={scale} ticks={ticks} width={width} />
            <Cursor
              scale={scale}
              width={width}
              moment={moment}
              here={here}
              landmarks={landmarks}
              onMove={onChoose}
              onZoom={(factor) => onView(zoom(view, factor, moment.at, now))}
              describedBy={keys}
            />
          </>
        )}
      </div>
      {tip !== undefined && <TipBox tip={tip} />}
    </div>
  );
}

/** Beside a mark it is the mark's own moment, to the microsecond. */
function momentAt(x: number, data: ClusterCoverage, scale: TimeScale, width: number): Moment {
  const groups = data.repositories.flatMap(({ repository }, index) =>
    backupGroups(data.backups, repository, index === 0, scale),
  );
  const near = nearestWithin(groups, x, MAGNET);
  if (near !== undefined && near.first.state === 'available') {
    return momentOf(standsAt(near.first));
  }
  return pointedAt(scale.at(x), (scale.to - scale.from) / Math.max(1, width));
}

function Axis({
  scale,
  ticks,
  width,
}: {
  scale: TimeScale;
  ticks: readonly Tick[];
  width: number;
}) {
  return (
    <svg aria-hidden width={width} height={22} className="mt-1 block overflow-visible">
      <path d={`M0 0.5H${width}`} className="stroke-line-strong" />
      {ticks.map(({ at, text: said, day }) => {
        const x = scale.x(at);
        const anchor = x < 24 ? 'start' : x > width - 24 ? 'end' : 'middle';
        return (
          <g key={at}>
            <path d={`M${Math.round(x) + 0.5} 0V5`} className="stroke-line-strong" />
            <text
              x={x}
              y={18}
              textAnchor={anchor}
              className={
                day ? 'num fill-ink-2 text-[11px] font-semibold' : 'num fill-ink-3 text-[11px]'
              }
            >
              {said}
            </text>
          </g>
        );
      })}
    </svg>
  );
}

function TipBox({ tip: { title, lines, x, y } }: { tip: Tip }) {
  const left = Math.min(Math.max(x, 130), globalThis.innerWidth - 130);
  return (
    <div
      aria-hidden
      className="pointer-events-none fixed z-40 max-w-64 -translate-x-1/2 -translate-y-full rounded-md bg-ink px-2.5 py-1.5 text-xs font-medium text-surface shadow-float"
      style={{ left, top: y - 4 }}
    >
      <span className="block font-semibold">{title}</span>
      {lines.map((line) => (
        <span key={line} className="num block opacity-85">
          {line}
        </span>
      ))}
    </div>
  );
}
