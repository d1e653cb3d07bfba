/** The truth at a glance: who could lose too much now, what nobody protects, what runs. */
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Anchor } from 'lucide-react';
import { status as statusQueries } from '../../api/queries/status';
import { Page } from '../../frame/Page';
import { Card } from '../../ui/Card';
import { EmptyState, ErrorState, Skeleton } from '../../ui/States';
import { words } from '../../words';
import { AlarmsCard } from './AlarmsCard';
import { ControlPlaneCard } from './ControlPlaneCard';
import { DrillsCard } from './DrillsCard';
import { Hero } from './Hero';
import { UnprotectedCard } from './UnprotectedCard';
import { ViolationsCard } from './ViolationsCard';
import { WorkCard } from './WorkCard';
import { WorstCard } from './WorstCard';

const text = words.overview;

export function OverviewPage() {
  const status = useQuery(statusQueries.show());
  const shown = status.data;
  if (shown === undefined) {
    return (
      <Page title={text.title}>
        {status.error === null ? (
          <Waiting />
        ) : (
          <ErrorState error={status.error} retry={() => void status.refetch()} />
        )}
      </Page>
    );
  }
  const nothing = shown.counts.clusters === 0;
  return (
    <Page title={text.title}>
      <div className="space-y-4">
        {nothing ? <FirstSteps /> : <Hero status={shown} />}
        <div className="grid grid-cols-[minmax(0,1fr)] items-start gap-4 xl:grid-cols-[minmax(0,1fr)_22rem] 2xl:grid-cols-[minmax(0,1fr)_26rem]">
          <div className="space-y-4">
            <UnprotectedCard counts={shown.unprotected} />
            <ViolationsCard />
            {!nothing && <WorstCard />}
            <WorkCard counts={shown.counts.jobs} />
          </div>
          <div className="grid grid-cols-[minmax(0,1fr)] items-start gap-4 md:grid-cols-2 xl:grid-cols-1">
            <AlarmsCard counts={shown.counts.alarms} />
            {!nothing && <DrillsCard />}
            <ControlPlaneCard status={shown} />
          </div>
        </div>
      </div>
    </Page>
  );
}

function FirstSteps() {
  return (
    <Card>
      <EmptyState icon={Anchor} title={text.empty.title}>
        <p>{text.empty.about}</p>
        <ol className="mt-2 space-y-2 text-left">
          {text.empty.steps.map(({ title, about, to }, index) => (
            <li key={to}>
              <Link
                to={to}
                className="flex items-center gap-3 rounded-lg border border-line px-4 py-2.5 hover:border-line-strong hover:bg-hover"
              >
                <span className="num flex size-7 shrink-0 items-center justify-center rounded-full bg-accent-soft font-semibold text-accent">
                  {index + 1}
                </span>
                <span>
                  <span className="block font-medium text-ink">{title}</span>
                  <span className="text-sm text-ink-2">{about}</span>
                </span>
              </Link>
            </li>
          ))}
        </ol>
      </EmptyState>
    </Card>
  );
}

function Waiting() {
  return (
    <div aria-busy className="space-y-4">
      <Card className="space-y-4 p-6">
        <Skeleton className="h-8 w-2/3" />
        <Skeleton className="h-4 w-full" />
      </Card>
      <Card className="space-y-3 p-6">
        <Skeleton className="w-40" />
        <Skeleton className="h-32 w-full" />
      </Card>
    </div>
  );
}
