/** Every agent: whether it works, what it runs, when its certificate ends. */
import { getRouteApi } from '@tanstack/react-router';
import { FilterX, Plus, Radio, Search } from 'lucide-react';
import { useMemo } from 'react';
import { useWholeList } from '../../api/pages';
import { agents } from '../../api/queries/agents';
import { Page } from '../../frame/Page';
import { readSort, writeSort, type Sort } from '../../search/search';
import { DataTable } from '../../table/DataTable';
import { Button } from '../../ui/Button';
import { Select, TextField } from '../../ui/Field';
import { EmptyState, ErrorState } from '../../ui/States';
import { words } from '../../words';
import { columns } from './columns';
import { Enrol } from './Enrol';
import { AGENT_STATES, type AgentSearch } from './route';

const text = words.agents;
const route = getRouteApi('/frame/agents');

export function AgentsPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const list = useWholeList(agents.list());
  const { q, state } = search;
  const shown = useMemo(() => {
    const sought = q?.trim().toLowerCase() ?? '';
    return list.items.filter(
      (agent) =>
        `${agent.name} ${agent.region ?? ''}`.toLowerCase().includes(sought) &&
        // Who was revoked is gone unless one asks.
        (state === undefined ? agent.state !== 'revoked' : agent.state === state),
    );
  }, [list.items, q, state]);
  const change = (changed: Partial<AgentSearch>) =>
    void navigate({ search: (before) => ({ ...before, ...changed }), replace: true });
  const enrol = (
    <Button variant="primary" icon={Plus} onClick={() => change({ enrol: true })}>
      {text.enrol}
    </Button>
  );
  const filtered = q !== undefined || state !== undefined;
  return (
    <Page title={text.title} about={text.about} actions={enrol} fill>
      {list.error !== null && list.items.length === 0 ? (
        <ErrorState error={list.error} retry={list.retry} />
      ) : (
        <>
          <div
            role="search"
            aria-label={text.filters.region}
            className="mb-3 grid grid-cols-2 gap-2 md:flex"
          >
            <div className="relative col-span-2 md:w-64">
              <Search
                aria-hidden
                className="pointer-events-none absolute top-2.5 left-2.5 z-10 size-4 text-ink-3"
              />
              <TextField
                label={text.filters.find}
                labelHidden
                type="search"
                placeholder={text.filters.find}
                value={q ?? ''}
                style={{ paddingLeft: '2.125rem' }}
                onChange={({ target: { value } }) =>
                  change({ q: value === '' ? undefined : value })
                }
              />
            </div>
            <Select
              label={text.filters.state}
              labelHidden
              className="md:w-44"
              value={state ?? ''}
              options={[
                { value: '', text: text.filters.any },
                ...AGENT_STATES.map((value) => ({ value, text: text.states[value] })),
              ]}
              onValueChange={(value) =>
                change({ state: AGENT_STATES.find((each) => each === value) })
              }
            />
          </div>
          <DataTable
            label={text.title}
            columns={columns}
            rows={shown}
            rowId={({ id }) => id}
            sort={readSort(search.sort ?? 'name')}
            onSort={(sort: Sort) => change({ sort: writeSort(sort) as AgentSearch['sort'] })}
            pending={list.pending}
            empty={
              list.complete &&
              (filtered ? (
                <EmptyState
                  icon={FilterX}
                  title={text.noMatch.title}
                  actions={
                    <Button onClick={() => void navigate({ search: {}, replace: true })}>
                      {words.common.clearFilters}
                    </Button>
                  }
                >
                  <p>{text.noMatch.about}</p>
                </EmptyState>
              ) : (
                <EmptyState icon={Radio} title={text.empty.title} actions={enrol}>
                  <p>{text.empty.about}</p>
                </EmptyState>
              ))
            }
            className="shrink"
          />
          <p role="status" className="num pt-2 text-sm text-ink-3">
            {text.count(shown.length, list.items.length)}
          </p>
        </>
      )}
      {search.enrol === true && (
        <Enrol known={list.items} onClose={() => change({ enrol: undefined })} />
      )}
    </Page>
  );
}
