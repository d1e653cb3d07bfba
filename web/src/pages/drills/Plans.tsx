/** Drill plans: what orders drills beside policies. */
import { CalendarClock } from 'lucide-react';
import { useWholeList } from '../../api/pages';
import { drills, type DrillSpec } from '../../api/queries/drills';
import { Badge } from '../../ui/Badge';
import { Card } from '../../ui/Card';
import { CodeBlock } from '../../ui/Code';
import { EmptyState, ErrorState, Skeleton } from '../../ui/States';
import { words } from '../../words';
import { Facts } from '../work/Facts';
import { checkName } from './checks';

const text = words.drills.plans;

const EXAMPLE = `apiVersion: holdfast/v1
kind: DrillPlan
metadata: {name: gold-weekly}
spec:
  selector: {tier: gold}
  cron: "0 4 * * 0"
  at: random
  checks:
    - {sql: "select max(created_at) from orders", expect: "within 10m of target"}
    - {amcheck: true}`;

export function Plans() {
  const list = useWholeList(drills.plans());
  if (list.error !== null && list.items.length === 0) {
    return <ErrorState error={list.error} retry={list.retry} />;
  }
  if (list.pending) return <Skeleton className="h-24" />;
  if (list.items.length === 0) {
    return (
      <EmptyState icon={CalendarClock} title={text.none.title}>
        <p>{text.none.about}</p>
        <CodeBlock label={text.none.command} text={EXAMPLE} className="text-left" />
      </EmptyState>
    );
  }
  return (
    <>
      <ul className="grid gap-4 lg:grid-cols-2 2xl:grid-cols-3">
        {list.items.map(({ metadata, spec }) => (
          <li key={metadata.name}>
            <Plan name={metadata.name} spec={spec as DrillSpec} />
          </li>
        ))}
      </ul>
      <p className="mt-4 text-sm text-ink-3">{text.byPolicies}</p>
    </>
  );
}

function Plan({ name, spec }: { name: string; spec: DrillSpec }) {
  const labels = Object.entries(spec.selector ?? {});
  return (
    <Card className="h-full p-4">
      <h2 className="mb-3 text-base font-semibold">{name}</h2>
      <Facts
        facts={[
          {
            term: text.columns.selector,
            value:
              labels.length === 0 ? (
                text.everything
              ) : (
                <span className="flex flex-wrap gap-1">
                  {labels.map(([key, value]) => (
                    <Badge key={key}>{`${key}=${value}`}</Badge>
                  ))}
                </span>
              ),
          },
          { term: text.columns.when, value: whenOf(spec) },
          { term: text.columns.to, value: spec.at ?? 'latest' },
          {
            term: text.columns.where,
            value: spec.agent ?? spec.region ?? text.anywhere,
          },
          {
            term: text.columns.checks,
            wide: true,
            value: (
              <ul className="space-y-0.5">
                {(spec.checks ?? []).map((check, index) => (
                  <li key={index}>
                    <code className="text-[0.8125rem]">{checkName(check)}</code>
                  </li>
                ))}
              </ul>
            ),
          },
        ]}
      />
    </Card>
  );
}

function whenOf({ cron, every, timezone }: DrillSpec): string {
  if (every != null) return text.every(every);
  return cron == null ? words.common.none : text.zone(cron, timezone ?? 'UTC');
}
