/** What was rehearsed, what that proves, and what orders it. */
import { getRouteApi } from '@tanstack/react-router';
import { Page } from '../../frame/Page';
import { Select } from '../../ui/Field';
import { Tabs } from '../../ui/Tabs';
import { words } from '../../words';
import { ClusterFilter } from '../work/ClusterFilter';
import { Plans } from './Plans';
import { Proof } from './Proof';
import { Results } from './Results';
import { RunDrill } from './RunDrill';
import { VERDICTS, type DrillSearch } from './route';

const text = words.drills;
const route = getRouteApi('/frame/drills');
const verdicts = [
  { value: '', text: text.anyVerdict },
  ...VERDICTS.map((value) => ({ value, text: words.work.drillVerdicts[value] })),
];

export function DrillsPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const change = (changed: Partial<DrillSearch>) =>
    void navigate({ search: (before) => ({ ...before, ...changed }), replace: true });
  const view = search.view ?? 'results';
  const cluster = (
    <ClusterFilter
      className="md:w-56"
      value={search.cluster}
      onChange={(next) => change({ cluster: next })}
    />
  );
  return (
    <Page
      title={text.title}
      about={text.about}
      actions={<RunDrill cluster={search.cluster} label={text.runNow} />}
    >
      <Tabs
        label={text.views.label}
        value={view}
        onChange={(next) => change({ view: next === 'results' ? undefined : next })}
        tabs={[
          {
            value: 'results',
            text: text.views.results,
            content: (
              <>
                <Filters>
                  {cluster}
                  <Select
                    label={text.verdict}
                    labelHidden
                    className="md:w-40"
                    value={search.verdict ?? ''}
                    options={verdicts}
                    onValueChange={(value) =>
                      change({ verdict: VERDICTS.find((verdict) => verdict === value) })
                    }
                  />
                </Filters>
                <Results cluster={search.cluster} verdict={search.verdict} />
              </>
            ),
          },
          {
            value: 'proof',
            text: text.views.proof,
            content: (
              <>
                <Filters>{cluster}</Filters>
                <Proof
                  cluster={search.cluster}
                  sort={search.sort}
                  onSort={(sort) => change({ sort })}
                />
              </>
            ),
          },
          { value: 'plans', text: text.views.plans, content: <Plans /> },
        ]}
      />
    </Page>
  );
}

function Filters({ children }: { children: React.ReactNode }) {
  return (
    <div
      role="search"
      aria-label={words.work.filters}
      className="mb-4 grid gap-2 sm:grid-cols-2 md:flex md:flex-wrap"
    >
      {children}
    </div>
  );
}
