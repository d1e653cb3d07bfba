/** One cluster by days. Its days are read when the row is drawn. */
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Stamp } from 'lucide-react';
import { useMemo, type CSSProperties } from 'react';
import { compliance, type ComplianceRow, type Period } from '../../api/queries/compliance';
import { formatPercent } from '../../format/size';
import { formatDuration } from '../../format/time';
import { IconButton } from '../../ui/Button';
import { cx } from '../../ui/cx';
import { None } from '../../ui/Values';
import { words } from '../../words';
import { budgetOf, type Target } from './budget';
import { cellsOf, tellCell, windowOf, type Cell, type Day } from './days';
import { CellPicture } from './CellPicture';
import { COLUMNS } from './Heatmap';

const text = words.compliance.heatmap;

export function HeatmapRow({
  row,
  index,
  days,
  period,
  target,
  active,
  onActive,
  onExcuse,
  style,
}: {
  row: ComplianceRow;
  index: number;
  days: readonly Day[];
  period: Period;
  target: Target;
  /** The day that takes the focus, when it is in this row. */
  active: number | undefined;
  onActive: (day: number) => void;
  onExcuse: (cluster: string) => void;
  style: CSSProperties;
}) {
  const history = useQuery(compliance.history(row.cluster, period));
  const cells = useMemo(
    () => (history.data === undefined ? undefined : cellsOf(history.data, days)),
    [history.data, days],
  );
  return (
    <div
      role="row"
      aria-rowindex={index + 2}
      className={cx(
        COLUMNS,
        'absolute inset-x-0 items-center border-b border-line hover:bg-sunken',
      )}
      style={style}
    >
      <span role="rowheader" className="min-w-0 px-4 leading-tight">
        <Link
          to="/clusters/$cluster"
          params={{ cluster: row.cluster }}
          className="block truncate rounded-sm font-medium underline-offset-4 hover:underline"
        >
          {row.cluster}
        </Link>
        <span className="block truncate text-xs text-ink-3">{row.fleet}</span>
      </span>
      <span role="presentation" className="flex h-7 gap-px pr-4 sm:gap-0.5">
        {cells === undefined ? (
          <Waiting count={days.length} failed={history.error !== null} />
        ) : (
          cells.map((cell, day) => (
            <DayCell
              key={cell.day.from}
              cell={cell}
              cluster={row.cluster}
              place={`${index}:${day}`}
              focusable={active === day}
              onFocus={() => onActive(day)}
            />
          ))
        )}
      </span>
      <span role="gridcell" className="num hidden px-2 text-right sm:block">
        {row.complianceExcused == null ? <None /> : formatPercent(row.complianceExcused)}
      </span>
      <span role="gridcell" className="hidden px-2 lg:block">
        <BudgetBar row={row} target={target} />
      </span>
      <span role="gridcell" className="hidden lg:block">
        <IconButton
          icon={Stamp}
          size="sm"
          label={text.excuse(row.cluster)}
          onClick={() => onExcuse(row.cluster)}
        />
      </span>
    </div>
  );
}

function DayCell({
  cell,
  cluster,
  place,
  focusable,
  onFocus,
}: {
  cell: Cell;
  cluster: string;
  place: string;
  focusable: boolean;
  onFocus: () => void;
}) {
  const search = new URLSearchParams(windowOf(cell));
  return (
    <span role="gridcell" className="min-w-0 flex-1">
      <a
        href={`/clusters/${encodeURIComponent(cluster)}?${search.toString()}`}
        data-cell={place}
        aria-label={tellCell(cell)}
        tabIndex={focusable ? 0 : -1}
        onFocus={onFocus}
        className="block h-7 rounded-[3px] hover:brightness-90 focus-visible:outline-offset-1"
      >
        <CellPicture look={cell.look} share={cell.share} />
      </a>
    </span>
  );
}

function Waiting({ count, failed }: { count: number; failed: boolean }) {
  return (
    <>
      {failed && <span className="sr-only">{text.failed}</span>}
      {Array.from({ length: count }, (_, day) => (
        <span
          key={day}
          aria-hidden
          className={cx(
            'h-7 min-w-0 flex-1 rounded-[3px]',
            failed ? 'border border-dashed border-line' : 'animate-pulse-soft bg-hover',
          )}
        />
      ))}
    </>
  );
}

function BudgetBar({ row, target }: { row: ComplianceRow; target: Target }) {
  const budget = budgetOf(row, target);
  if (budget === undefined) return <span className="text-sm text-ink-3">{text.noRpo}</span>;
  const { whole, used, left } = budget;
  const share = whole <= 0 ? 1 : Math.min(1, used / whole);
  const over = left < 0;
  return (
    <span className="block" title={text.budgetOf(formatPercent(whole <= 0 ? 0 : used / whole))}>
      <span className={cx('num block text-sm leading-tight', over && 'font-medium text-bad')}>
        {over ? text.spent(formatDuration(-left)) : text.left(formatDuration(left))}
      </span>
      <span aria-hidden className="mt-1 block h-1.5 overflow-hidden rounded-full bg-idle-soft">
        <span
          className={cx(
            'block h-full rounded-full',
            over ? 'bg-bad-mark' : share > 0.7 ? 'bg-warn-mark' : 'bg-ok-mark',
          )}
          style={{ width: `${over ? 100 : Math.max(2, (1 - share) * 100)}%` }}
        />
      </span>
    </span>
  );
}
