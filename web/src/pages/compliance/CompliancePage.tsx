/** Exposure over time: clusters by day, violations with their cause, exemptions. */
import { getRouteApi } from '@tanstack/react-router';
import { useEffect, useMemo, useState } from 'react';
import { useWholeList } from '../../api/pages';
import { compliance, type Period } from '../../api/queries/compliance';
import { fleets } from '../../api/queries/fleets';
import { Page } from '../../frame/Page';
import { serverNow } from '../../live/freshness';
import { Button } from '../../ui/Button';
import { Combobox } from '../../ui/Combobox';
import { Select } from '../../ui/Field';
import { Tabs } from '../../ui/Tabs';
import { words } from '../../words';
import { periodOf } from './days';
import { ExemptionsView } from './ExemptionsView';
import { HeatmapView } from './HeatmapView';
import { RequestExemption } from './RequestExemption';
import { PERIODS, type ComplianceSearch } from './route';
import { ViolationsView } from './ViolationsView';

const text = words.compliance;
const route = getRouteApi('/frame/compliance');

export interface ViewProps {
  search: ComplianceSearch;
  onSearch: (changed: Partial<ComplianceSearch>) => void;
  /** Asks to excuse this cluster, or one that is to be chosen. */
  onExcuse: (cluster: string | undefined) => void;
}

export function CompliancePage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const [excused, setExcused] = useState<{ cluster: string | undefined }>();
  const onSearch = (changed: Partial<ComplianceSearch>) =>
    void navigate({ search: (before) => ({ ...before, ...changed }), replace: true });
  const days = Number(search.days ?? '30');
  const step = useStep();
  const period = useMemo(() => periodOf(days, step), [days, step]);
  const onExcuse = (cluster: string | undefined) => setExcused({ cluster });
  const view = { search, onSearch, onExcuse };
  const tab = search.tab ?? 'heatmap';
  return (
    <Page
      title={text.title}
      about={text.about}
      actions={<Button onClick={() => onExcuse(search.cluster)}>{text.request.action}</Button>}
    >
      <Filters {...view} period={period} />
      <Tabs
        label={text.tabs.label}
        value={tab}
        onChange={(next) => onSearch({ tab: next === 'heatmap' ? undefined : next })}
        tabs={[
          {
            value: 'heatmap',
            text: text.tabs.heatmap,
            content: <HeatmapView {...view} period={period} />,
          },
          {
            value: 'violations',
            text: text.tabs.violations,
            content: <ViolationsView {...view} period={period} />,
          },
          {
            value: 'exemptions',
            text: text.tabs.exemptions,
            content: <ExemptionsView {...view} />,
          },
        ]}
      />
      {excused !== undefined && (
        <RequestExemption cluster={excused.cluster} onClose={() => setExcused(undefined)} />
      )}
    </Page>
  );
}

const STEP_MILLISECONDS = 60_000;

/** Now, in steps: the last day ends with it. */
function useStep(): number {
  const [step, setStep] = useState(() => serverNow());
  useEffect(() => {
    const timer = setInterval(() => setStep(serverNow()), STEP_MILLISECONDS);
    return () => clearInterval(timer);
  }, []);
  return step;
}

function Filters({ search, onSearch, period }: ViewProps & { period: Period }) {
  const knownFleets = useWholeList(fleets.list());
  const asked = useMemo(() => ({ from: period.from }), [period.from]);
  const measured = useWholeList(compliance.list(asked, { fleet: search.fleet }));
  const named = (items: readonly { metadata: { name: string } }[]) =>
    items.map(({ metadata: { name } }) => ({ value: name, text: name }));
  return (
    <div
      role="search"
      aria-label={text.filters.region}
      className="mb-2 grid grid-cols-2 items-start gap-2 md:flex md:flex-wrap"
    >
      <Select
        label={text.filters.days}
        labelHidden
        className="md:w-40"
        value={search.days ?? '30'}
        options={PERIODS.map((value) => ({
          value,
          text: text.filters.lastDays(Number(value)),
        }))}
        onValueChange={(days) => onSearch({ days: days === '30' ? undefined : days })}
      />
      <Combobox
        label={text.filters.fleet}
        labelHidden
        className="md:w-44"
        placeholder={text.filters.anyFleet}
        value={search.fleet}
        options={named(knownFleets.items)}
        onChange={(fleet) => onSearch({ fleet })}
      />
      <Combobox
        label={text.filters.cluster}
        labelHidden
        className="col-span-2 md:w-56"
        placeholder={text.filters.anyCluster}
        value={search.cluster}
        options={measured.items.map(({ cluster }) => ({ value: cluster, text: cluster }))}
        onChange={(cluster) => onSearch({ cluster })}
      />
    </div>
  );
}
