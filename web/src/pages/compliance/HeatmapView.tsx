/** Clusters by day, with what is left of their error budget. */
import { CalendarCheck } from 'lucide-react';
import { useMemo } from 'react';
import { useWholeList } from '../../api/pages';
import { compliance, type ComplianceRow, type Period } from '../../api/queries/compliance';
import { formatCount } from '../../format/size';
import { Card } from '../../ui/Card';
import { Select } from '../../ui/Field';
import { EmptyState, ErrorState } from '../../ui/States';
import { words } from '../../words';
import { TARGETS, budgetOf, ordered, type Order, type Target } from './budget';
import type { ViewProps } from './CompliancePage';
import type { Day } from './days';
import { Heatmap } from './Heatmap';
import { HeatmapLegend } from './HeatmapLegend';

const text = words.compliance;
/** Budgets shrink by themselves while one is above its RPO. */
const EVERY_MILLISECONDS = 60_000;

export function HeatmapView({
  search,
  onSearch,
  onExcuse,
  period,
}: ViewProps & { period: Period & { days: Day[] } }) {
  const asked = useMemo(() => ({ from: period.from }), [period.from]);
  const list = useWholeList({
    ...compliance.list(asked, { fleet: search.fleet }),
    refetchInterval: EVERY_MILLISECONDS,
  });
  const target: Target = search.target ?? '99.9';
  const order: Order = search.order ?? 'budget';
  const rows = useMemo(() => {
    const chosen = list.items.filter(
      ({ cluster }) => search.cluster === undefined || cluster === search.cluster,
    );
    return ordered(chosen, target, order);
  }, [list.items, search.cluster, target, order]);
  if (list.error !== null && rows.length === 0) {
    return <ErrorState error={list.error} retry={list.retry} />;
  }
  return (
    <Card>
      <header className="flex flex-wrap items-start gap-3 px-4 pt-3.5 pb-3">
        <div className="min-w-60 flex-1">
          <p className="text-lg font-medium text-balance">
            {list.complete
              ? sentenceOf(rows, target, period.days.length)
              : text.sentence.reading(formatCount(list.items.length))}
          </p>
          <p className="max-w-prose text-sm text-ink-2">{text.heatmap.about(target)}</p>
        </div>
        <div className="flex w-full flex-wrap gap-2 sm:w-auto">
          <Select
            label={text.filters.target}
            labelHidden
            className="min-w-40 flex-1 sm:w-48 sm:flex-none"
            value={target}
            options={TARGETS.map((value) => ({ value, text: text.filters.targetOf(value) }))}
            onValueChange={(next) => onSearch({ target: next === '99.9' ? undefined : next })}
          />
          <Select
            label={text.filters.sort}
            labelHidden
            className="min-w-40 flex-1 sm:w-44 sm:flex-none"
            value={order}
            options={(['budget', 'name'] as const).map((value) => ({
              value,
              text: text.filters.sorts[value],
            }))}
            onValueChange={(next) => onSearch({ order: next === 'budget' ? undefined : next })}
          />
        </div>
      </header>
      {list.complete && rows.length === 0 ? (
        <EmptyState icon={CalendarCheck} title={text.sentence.withoutRpo}>
          <p>{words.overview.worst.noneAbout}</p>
        </EmptyState>
      ) : (
        <Heatmap
          rows={rows}
          pending={list.pending}
          days={period.days}
          period={asked}
          target={target}
          onExcuse={onExcuse}
        />
      )}
      <HeatmapLegend />
    </Card>
  );
}

export function sentenceOf(rows: readonly ComplianceRow[], target: Target, days: number): string {
  const measured = rows.filter(({ rpoSeconds }) => rpoSeconds != null);
  if (measured.length === 0) return `${text.sentence.withoutRpo}.`;
  const broken = measured.filter(({ violationCount }) => violationCount > 0).length;
  const all = formatCount(measured.length);
  if (broken === 0) return `${text.sentence.kept(all, measured.length, days)}.`;
  const over = measured.filter((row) => (budgetOf(row, target)?.left ?? 0) < 0).length;
  const said = text.sentence.broken(formatCount(broken), broken, all, days);
  return over === 0 ? `${said}.` : `${said}; ${text.sentence.over(formatCount(over), over)}.`;
}
