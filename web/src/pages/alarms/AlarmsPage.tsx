/** What is wrong: open, taken on, over; and the silences. */
import { getRouteApi } from '@tanstack/react-router';
import { BellOff, BellRing, FilterX } from 'lucide-react';
import { useMemo, useState } from 'react';
import { useWholeList } from '../../api/pages';
import { alarms, silences } from '../../api/queries/alarms';
import { Page } from '../../frame/Page';
import { readSort, writeSort } from '../../search/search';
import { DataTable } from '../../table/DataTable';
import { Button } from '../../ui/Button';
import { EmptyState, ErrorState } from '../../ui/States';
import { Tabs } from '../../ui/Tabs';
import { words } from '../../words';
import { AlarmSheet } from './AlarmSheet';
import { columns } from './columns';
import { Filters } from './Filters';
import { NewSilence } from './NewSilence';
import { ALARM_TABS, type AlarmSearch } from './route';
import { SilenceList } from './SilenceList';

const text = words.alarms;
const route = getRouteApi('/frame/alarms');

export function AlarmsPage() {
  const search = route.useSearch();
  const { tab = 'open', rule, severity, fleet, cluster, alarm } = search;
  const navigate = route.useNavigate();
  const filters = { rule, severity, fleet, cluster };
  const open = useWholeList(alarms.list({ state: 'open', ...filters }));
  const closed = useWholeList(alarms.list({ state: 'closed', ...filters }));
  const quiet = useWholeList(silences.list());
  const [silencing, setSilencing] = useState(false);
  const change = (changed: Partial<AlarmSearch>) =>
    void navigate({ search: (before) => ({ ...before, ...changed }), replace: true });
  const split = useMemo(
    () => ({
      open: open.items.filter(({ acknowledgedAt }) => !acknowledgedAt),
      acknowledged: open.items.filter(({ acknowledgedAt }) => Boolean(acknowledgedAt)),
      closed: closed.items,
    }),
    [open.items, closed.items],
  );
  const filtered = Object.values(filters).some((value) => value !== undefined);
  const contentOf = (shown: keyof typeof split) => {
    const list = shown === 'closed' ? closed : open;
    const empty = text.empty[shown];
    if (list.error !== null && list.items.length === 0) {
      return <ErrorState error={list.error} retry={list.retry} />;
    }
    return (
      <>
        <Filters search={search} onChange={change} />
        <DataTable
          label={text.tabs[shown]}
          columns={columns}
          rows={split[shown]}
          rowId={({ id }) => id}
          sort={readSort(search.sort ?? (shown === 'closed' ? '-since' : 'alarm'))}
          onSort={(sort) => change({ sort: writeSort(sort) as AlarmSearch['sort'] })}
          pending={list.pending}
          rowHeight={68}
          empty={
            list.complete &&
            (filtered ? (
              <EmptyState
                icon={FilterX}
                title={text.noMatch.title}
                actions={
                  <Button onClick={() => void navigate({ search: { tab }, replace: true })}>
                    {words.common.clearFilters}
                  </Button>
                }
              >
                <p>{text.noMatch.about}</p>
              </EmptyState>
            ) : (
              <EmptyState icon={BellRing} title={empty.title}>
                <p>{empty.about}</p>
              </EmptyState>
            ))
          }
          className="max-h-[calc(100dvh-18rem)]"
        />
      </>
    );
  };
  const counts = {
    open: open.complete ? split.open.length : undefined,
    acknowledged: open.complete ? split.acknowledged.length : undefined,
    closed: undefined,
    silences: quiet.complete ? quiet.items.length : undefined,
  };
  return (
    <Page
      title={text.title}
      about={text.about}
      actions={
        <Button icon={BellOff} onClick={() => setSilencing(true)}>
          {text.silences.new}
        </Button>
      }
    >
      <Tabs
        label={text.title}
        value={tab}
        onChange={(next) => change({ tab: next })}
        tabs={ALARM_TABS.map((value) => ({
          value,
          text: text.tabs[value],
          count: counts[value],
          content: value === 'silences' ? <SilenceList list={quiet} /> : contentOf(value),
        }))}
      />
      {alarm !== undefined && (
        <AlarmSheet id={alarm} onClose={() => change({ alarm: undefined })} />
      )}
      {silencing && (
        <NewSilence
          given={{ rule, fleet, cluster }}
          onClose={() => setSilencing(false)}
          onDone={() => change({ tab: 'silences' })}
        />
      )}
    </Page>
  );
}
