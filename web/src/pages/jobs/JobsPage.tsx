/** What runs, what waits and why, and what came of the rest. */
import { getRouteApi } from '@tanstack/react-router';
import { Page } from '../../frame/Page';
import { Tabs } from '../../ui/Tabs';
import { words } from '../../words';
import { History } from './History';
import { JobFilters } from './JobFilters';
import { Now } from './Now';
import type { JobSearch } from './route';

const text = words.jobs;
const route = getRouteApi('/frame/jobs');

export function JobsPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const change = (changed: Partial<JobSearch>) =>
    void navigate({ search: (before) => ({ ...before, ...changed }), replace: true });
  // A state is one of history: a link to the failed ones leads there.
  const view = search.view ?? (search.state === undefined ? 'now' : 'history');
  const { kind, cluster, fleet, agent, since } = search;
  const filters = { kind, cluster, fleet, agent, since };
  return (
    <Page title={text.title} about={text.about}>
      <Tabs
        label={text.views.label}
        value={view}
        onChange={(next) =>
          change({
            view: next === 'now' ? undefined : next,
            ...(next === 'now' && { state: undefined }),
          })
        }
        tabs={[
          {
            value: 'now',
            text: text.views.now,
            content: (
              <>
                <JobFilters search={search} onChange={change} />
                <Now filters={filters} onHistory={() => change({ view: 'history' })} />
              </>
            ),
          },
          {
            value: 'history',
            text: text.views.history,
            content: (
              <>
                <JobFilters search={search} onChange={change} withState />
                <History filters={{ ...filters, state: search.state }} />
              </>
            ),
          },
        ]}
      />
    </Page>
  );
}
