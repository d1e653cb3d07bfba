/** Reports for auditors: making one, those that were made, and how anybody verifies them. */
import { getRouteApi } from '@tanstack/react-router';
import { Page } from '../../frame/Page';
import { words } from '../../words';
import { MadeList } from './MadeList';
import { MakeReport } from './MakeReport';
import type { ReportSearch } from './route';
import { Verify } from './Verify';

const text = words.reports;
const route = getRouteApi('/frame/reports');

export function ReportsPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const change = (changed: Partial<ReportSearch>) =>
    void navigate({ search: (before) => ({ ...before, ...changed }), replace: true });
  return (
    <Page title={text.title} about={text.about}>
      <div className="grid items-start gap-4 xl:grid-cols-[minmax(0,3fr)_minmax(0,2fr)]">
        <MakeReport search={search} onChange={change} />
        <Verify />
        <div className="min-w-0 xl:col-span-2">
          <MadeList
            onAgain={({ fleet, from, to, asKnownAt }) => {
              change({ fleet, period: 'own', from, to, known: asKnownAt });
              document.getElementById('content')?.scrollTo({ top: 0 });
            }}
          />
        </div>
      </div>
    </Page>
  );
}
