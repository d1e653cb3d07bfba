/** What happened over time beside the band: exposure above the RPO, and drills. */
import { Link } from '@tanstack/react-router';
import { useMemo, type ReactNode } from 'react';
import type { ClusterCoverage } from '../../../api/queries/coverage';
import type { Tick, TimeScale } from '../../../charts/scale';
import { formatCount } from '../../../format/size';
import { words } from '../../../words';
import { boxOf, drillGroups, nearestWithin } from './layout';
import { Grid } from './Lane';
import { DrillShape } from './marks';
import { tipOfDrills, tipOfViolation, type Tip } from './tips';

const text = words.coverage;
const LINK = 'font-medium underline-offset-4 hover:underline';

interface Props {
  coverage: ClusterCoverage;
  scale: TimeScale;
  ticks: readonly Tick[];
  width: number;
  onTip: (tip: Tip | undefined) => void;
}

export function ViolationLane({ coverage, scale, ticks, width, onTip }: Props) {
  const { violations, cluster } = coverage;
  const boxes = useMemo(
    () =>
      (violations ?? []).flatMap((violation) => {
        const from = Date.parse(violation.startedAt);
        const to = violation.endedAt == null ? scale.to : Date.parse(violation.endedAt);
        const box = boxOf(scale, from, to);
        return box === undefined ? [] : [{ ...box, violation }];
      }),
    [violations, scale],
  );
  const count = formatCount(boxes.length);
  const said =
    violations == null
      ? text.lanes.violationsHidden
      : boxes.length === 0
        ? text.lanes.violationsNone
        : text.lanes.violationsCount(count);
  return (
    <EventLane
      title={
        <Link to="/compliance" search={{ cluster } as never} className={LINK}>
          {text.lanes.violations}
        </Link>
      }
      said={said}
    >
      <svg
        role="img"
        aria-label={text.violationsLane(count)}
        width={width}
        height={16}
        className="block overflow-visible"
        onPointerMove={(event) => {
          const { left, top } = event.currentTarget.getBoundingClientRect();
          const x = event.clientX - left;
          const box = boxes.find((each) => x >= each.x - 2 && x <= each.x + each.width + 2);
          onTip(box && { ...tipOfViolation(box.violation), x: left + x, y: top });
        }}
        onPointerLeave={() => onTip(undefined)}
      >
        <Grid ticks={ticks} scale={scale} height={16} />
        <rect y={4} width={width} height={8} rx={4} className="fill-sunken" />
        {boxes.map(({ x, width: wide, violation }) => (
          <rect
            key={violation.startedAt}
            x={x}
            y={2}
            width={wide}
            height={12}
            rx={Math.min(3, wide / 2)}
            className="fill-bad-mark stroke-surface"
            strokeWidth={0.75}
          />
        ))}
      </svg>
    </EventLane>
  );
}

export function DrillLane({ coverage, scale, ticks, width, onTip }: Props) {
  const { drills, cluster } = coverage;
  const groups = useMemo(() => drillGroups(drills ?? [], scale), [drills, scale]);
  const shown = groups.flatMap((group) => group.drills);
  const count = (verdict: string) =>
    formatCount(shown.filter((drill) => drill.verdict === verdict).length);
  const said =
    drills == null
      ? text.lanes.drillsHidden
      : shown.length === 0
        ? text.lanes.drillsNone
        : text.lanes.drillsCount(count('passed'), count('failed'));
  return (
    <EventLane
      title={
        <Link to="/drills" search={{ cluster } as never} className={LINK}>
          {text.lanes.drills}
        </Link>
      }
      said={said}
    >
      <svg
        role="img"
        aria-label={text.drillsLane(count('passed'), count('failed'))}
        width={width}
        height={22}
        className="block overflow-visible"
        onPointerMove={(event) => {
          const { left, top } = event.currentTarget.getBoundingClientRect();
          const group = nearestWithin(groups, event.clientX - left, 10);
          onTip(group && { ...tipOfDrills(group.drills), x: left + group.x, y: top });
        }}
        onPointerLeave={() => onTip(undefined)}
      >
        <Grid ticks={ticks} scale={scale} height={22} />
        <path d={`M0 11.5H${width}`} className="stroke-line" />
        {groups.map((group) => (
          <g key={group.x} transform={`translate(${group.x} 11)`}>
            <DrillShape verdict={group.verdict} />
          </g>
        ))}
      </svg>
    </EventLane>
  );
}

function EventLane({
  title,
  said,
  children,
}: {
  title: ReactNode;
  said: string;
  children: ReactNode;
}) {
  return (
    <div className="pt-2.5">
      <div className="flex items-center gap-2 pr-3 pb-0.5 text-sm">
        {title}
        <span className="flex-1" />
        <span className="num text-ink-2">{said}</span>
      </div>
      {children}
    </div>
  );
}
