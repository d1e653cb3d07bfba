/** Drill plans: what orders drills beside policies. */
import { CalendarClock, Pencil, Plus } from 'lucide-react';
import { Link } from '@tanstack/react-router';
import { useWholeList } from '../../api/pages';
import { drills, type DrillSpec } from '../../api/queries/drills';
import { Badge } from '../../ui/Badge';
import { Button } from '../../ui/Button';
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
      <EmptyState icon={CalendarClock} title={text.none.title} actions={<Create />}>
        <p>{text.none.about}</p>
        <CodeBlock label={text.none.command} text={EXAMPLE} className="text-left" />
      </EmptyState>
    );
  }
  return (
    <>
      <div className="mb-4 flex justify-end">
        <Create />
      </div>
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

function Create() {
  return (
    <Button variant="primary" asChild>
      <Link to="/new/drill-plan">
        <Plus aria-hidden className="size-4" />
        {text.create}
      </Link>
    </Button>
  );
}

function Plan({ name, spec }: { name: string; spec: DrillSpec }) {
  const labels = Object.entries(spec.selector ?? {});
  return (
    <Card className="h-full p-4">
      <header className="mb-3 flex items-center gap-2">
        <h2 className="min-w-0 flex-1 truncate text-base font-semibold">{name}</h2>
        <Button size="sm" asChild>
          <Link to="/drills/plans/$plan" params={{ plan: name }} aria-label={text.editOf(name)}>
            <Pencil aria-hidden className="size-3.5" />
            {text.edit}
          </Link>
        </Button>
      </header>
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
