/** One repository over time: backups above the band, gaps as holes in it. */
import { Link } from '@tanstack/react-router';
import { useId, useMemo } from 'react';
import type { BackupMark, RepositoryCoverage } from '../../../api/queries/coverage';
import type { Tick, TimeScale } from '../../../charts/scale';
import { formatCount } from '../../../format/size';
import { formatDuration, formatLocal } from '../../../format/time';
import { Badge } from '../../../ui/Badge';
import { cx } from '../../../ui/cx';
import { Time } from '../../../ui/Values';
import { words } from '../../../words';
import {
  backupGroups,
  boxOf,
  holeBoxes,
  nearestWithin,
  stretchBoxes,
  type HoleBox,
  type StretchBox,
} from './layout';
import { BackupSign, Hatches } from './marks';
import { tipOfBackups, tipOfHole, type Tip } from './tips';

const text = words.coverage;
const HEIGHT = 70;
const MARKS = 14;
const BAND = { top: 29, height: 20 };

export interface LaneProps {
  repository: RepositoryCoverage;
  first: boolean;
  backups: readonly BackupMark[];
  scale: TimeScale;
  ticks: readonly Tick[];
  width: number;
  /** Until when anything can be proved: now. */
  now: number;
  onTip: (tip: Tip | undefined) => void;
}

export function Lane({ repository, first, backups, scale, ticks, width, now, onTip }: LaneProps) {
  const hatch = useId();
  const groups = useMemo(
    () => backupGroups(backups, repository.repository, first, scale),
    [backups, repository, first, scale],
  );
  const stretches = useMemo(() => stretchBoxes(repository, scale), [repository, scale]);
  const holes = useMemo(() => holeBoxes(repository, scale), [repository, scale]);
  const last = repository.windowEnd ?? undefined;
  const unproved = last === undefined ? undefined : boxOf(scale, Date.parse(last), now);
  const find = (x: number, y: number, left: number, top: number) => {
    const group = y < BAND.top ? nearestWithin(groups, x, 9) : undefined;
    if (group !== undefined) return { ...tipOfBackups(group), x: left + group.x, y: top };
    const hole = holes.find((each) => x >= each.x - 2 && x <= each.x + each.width + 2);
    if (hole === undefined || y < BAND.top - 6) return undefined;
    return { ...tipOfHole(hole.hole), x: left + x, y: top + BAND.top };
  };
  return (
    <div className="pt-3">
      <LaneHeader repository={repository} />
      <svg
        role="img"
        aria-label={summaryOf(repository, backups)}
        width={width}
        height={HEIGHT}
        className="block overflow-visible"
        onPointerMove={(event) => {
          const box = event.currentTarget.getBoundingClientRect();
          const x = event.clientX - box.left;
          onTip(find(x, event.clientY - box.top, box.left, box.top));
        }}
        onPointerLeave={() => onTip(undefined)}
      >
        <Hatches id={hatch} />
        <Grid ticks={ticks} scale={scale} height={HEIGHT - 14} />
        <rect y={BAND.top} width={width} height={BAND.height} rx={4} className="fill-sunken" />
        {stretches.map((box) => (
          <StretchRect key={`${box.stretch.from}${box.stretch.timeline}`} box={box} hatch={hatch} />
        ))}
        {unproved !== undefined && unproved.width > 4 && (
          <Unproved x={unproved.x} width={unproved.width} />
        )}
        {holes.map((box) => (
          <HoleRect key={box.hole.from} box={box} hatch={hatch} />
        ))}
        {groups.map((group) => (
          <BackupSign key={group.first.id} group={group} y={MARKS} bandTop={BAND.top} />
        ))}
      </svg>
    </div>
  );
}

function LaneHeader({ repository }: { repository: RepositoryCoverage }) {
  const gaps = repository.holes.filter(({ cause }) => cause == null || !isExpected(cause)).length;
  const resolution = repository.resolutionSeconds;
  return (
    <div className="flex flex-wrap items-center gap-x-2 gap-y-0.5 pr-3 text-sm">
      <Link
        to={`/repositories/${repository.repository}` as string}
        className="font-medium underline-offset-4 hover:underline"
      >
        {repository.repository}
      </Link>
      <Badge>{text.roles[repository.role]}</Badge>
      <span className="flex-1" />
      <span className="text-ink-2">
        {repository.windowStart == null ? (
          text.lanes.nothing
        ) : (
          <>
            <span className="hidden sm:inline">
              {text.lanes.frontier}{' '}
              <Time at={repository.frontier ?? repository.windowEnd} className="text-ink" />
              {', '}
            </span>
            <span className={cx(gaps > 0 && 'font-medium text-bad')}>
              {gaps === 0 ? text.lanes.noGap : text.lanes.gaps(formatCount(gaps))}
            </span>
            {resolution != null && <> · {text.lanes.joined(formatDuration(resolution))}</>}
          </>
        )}
      </span>
    </div>
  );
}

const isExpected = (cause: string) =>
  cause === 'expired' || cause === 'another_lineage' || cause === 'no_wal';

function StretchRect({ box, hatch }: { box: StretchBox; hatch: string }) {
  const { x, width, stretch, shade, switches, named } = box;
  return (
    <g>
      <rect
        x={x}
        y={BAND.top}
        width={width}
        height={BAND.height}
        rx={Math.min(4, width / 2)}
        className={shade === 0 ? 'fill-ok-mark' : 'fill-accent dark:opacity-75'}
      />
      {stretch.stretches > 1 && (
        <rect
          x={x}
          y={BAND.top}
          width={width}
          height={BAND.height}
          fill={`url(#${hatch}-joined)`}
          opacity={0.5}
        />
      )}
      {switches && (
        <path
          d={`M${x + 0.5} ${BAND.top - 4}V${BAND.top + BAND.height + 14}`}
          className="stroke-ink-2"
          strokeWidth={1.5}
        />
      )}
      {named && (
        <text
          x={x + (switches ? 5 : 2)}
          y={BAND.top + BAND.height + 14}
          className="num fill-ink-3 text-[11px]"
        >
          {text.timeline(stretch.timeline)}
        </text>
      )}
    </g>
  );
}

function HoleRect({ box, hatch }: { box: HoleBox; hatch: string }) {
  const { x, width, expected, open, roomy } = box;
  return (
    <g>
      <rect
        x={x + 0.5}
        y={BAND.top - 0.5}
        width={Math.max(2, width - 1)}
        height={BAND.height + 1}
        rx={Math.min(3, width / 2)}
        fill={`url(#${hatch}-${expected ? 'gone' : 'gap'})`}
        className={expected ? 'stroke-idle-mark' : 'stroke-bad'}
        strokeWidth={1}
      />
      {!expected && (
        <path
          d={`M${x + width / 2 - 3} ${BAND.top - 7}h6l-3 4.5Z`}
          className="fill-bad"
          aria-hidden
        />
      )}
      {roomy && !expected && (
        <text
          x={x + width / 2}
          y={BAND.top + BAND.height + 14}
          textAnchor="middle"
          className="fill-bad text-[11px] font-semibold"
        >
          {open ? text.openGap : text.gap}
        </text>
      )}
    </g>
  );
}

/** Between the frontier and now: exposure, as it is seen. */
function Unproved({ x, width }: { x: number; width: number }) {
  return (
    <g>
      <rect
        x={x + 1}
        y={BAND.top + 0.5}
        width={width - 1.5}
        height={BAND.height - 1}
        rx={3}
        className="fill-warn-soft stroke-warn-mark"
        strokeDasharray="3 3"
      />
      {width > 90 && (
        <text
          x={x + width / 2}
          y={BAND.top + BAND.height + 14}
          textAnchor="middle"
          className="fill-warn text-[11px] font-medium"
        >
          {text.unproved}
        </text>
      )}
    </g>
  );
}

export function Grid({
  ticks,
  scale,
  height,
}: {
  ticks: readonly Tick[];
  scale: TimeScale;
  height: number;
}) {
  return (
    <g aria-hidden>
      {ticks.map(({ at, day }) => (
        <path
          key={at}
          d={`M${Math.round(scale.x(at)) + 0.5} 0V${height}`}
          className={day ? 'stroke-line-strong' : 'stroke-line'}
        />
      ))}
    </g>
  );
}

function summaryOf(repository: RepositoryCoverage, backups: readonly BackupMark[]): string {
  const { windowStart, windowEnd, holes, role } = repository;
  const said =
    windowStart == null || windowEnd == null
      ? undefined
      : {
          from: formatLocal(new Date(windowStart)),
          to: formatLocal(new Date(windowEnd)),
          gaps: formatCount(holes.length),
          backups: formatCount(
            backups.filter(({ repositories }) => repositories.includes(repository.repository))
              .length,
          ),
        };
  return text.lane(repository.repository, text.roles[role], said);
}
