/** Every cluster, and what would be lost if it went now. 10,000 are as quick as ten. */
import { getRouteApi } from '@tanstack/react-router';
import { Database, FilterX, ListChecks } from 'lucide-react';
import { useMemo } from 'react';
import { useWholeList } from '../../api/pages';
import { clusters } from '../../api/queries/clusters';
import { EXPOSURE_EVERY_MILLISECONDS, exposure } from '../../api/queries/exposure';
import { formatCount } from '../../format/size';
import { Page } from '../../frame/Page';
import { readSort, writeSort, type Sort } from '../../search/search';
import { DataTable } from '../../table/DataTable';
import { Button } from '../../ui/Button';
import { CodeBlock } from '../../ui/Code';
import { EmptyState, ErrorState } from '../../ui/States';
import { words } from '../../words';
import { Choosing, useChoice } from './bulk/Choosing';
import { SelectionContext } from './bulk/selection';
import { choosing, columns } from './columns';
import { Filters } from './Filters';
import { matching, policiesOf, rowsOf } from './rows';
import type { ClusterSearch } from './route';

const text = words.clusters;
const route = getRouteApi('/frame/clusters');

export function ClustersPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const { fleet, label, retired } = search;
  const declared = useWholeList(clusters.list({ fleet, label, retired }));
  const exposures = useWholeList({
    ...exposure.list({ fleet }),
    refetchInterval: EXPOSURE_EVERY_MILLISECONDS * 2,
  });
  const rows = useMemo(
    () => rowsOf(declared.items, exposures.items, exposures.complete),
    [declared.items, exposures.items, exposures.complete],
  );
  const shown = useMemo(() => matching(rows, search), [rows, search]);
  const policies = useMemo(() => policiesOf(rows), [rows]);
  const choice = useChoice();
  const change = (changed: Partial<ClusterSearch>) =>
    void navigate({ search: (before) => ({ ...before, ...changed }), replace: true });
  const error = declared.error ?? exposures.error;
  const filtered = Object.keys(search).some((key) => key !== 'sort');
  const reset = () => void navigate({ search: {}, replace: true });

  if (error !== null && declared.items.length === 0) {
    return (
      <Page title={text.title}>
        <ErrorState error={error} retry={declared.retry} />
      </Page>
    );
  }
  return (
    <Page
      title={text.title}
      about={text.about}
      fill
      actions={
        <Button icon={ListChecks} aria-pressed={choice.on} onClick={choice.toggle}>
          {choice.on ? text.bulk.end : text.bulk.begin}
        </Button>
      }
    >
      <Filters search={search} policies={policies} onChange={change} />
      <Choosing choice={choice} shown={shown} clusters={declared.items} />
      <SelectionContext value={choice.selection}>
        <DataTable
          label={text.title}
          columns={choice.on ? choosing : columns}
          rows={shown}
          rowId={(row) => row.name}
          sort={readSort(search.sort ?? 'name')}
          onSort={(sort: Sort) => change({ sort: writeSort(sort) as ClusterSearch['sort'] })}
          pending={declared.pending}
          empty={declared.complete && (filtered ? <NoMatch onReset={reset} /> : <NoCluster />)}
          className="shrink"
        />
      </SelectionContext>
      <p role="status" className="num pt-2 text-sm text-ink-3">
        {declared.complete
          ? text.count(formatCount(shown.length), formatCount(rows.length))
          : text.reading(formatCount(rows.length))}
      </p>
    </Page>
  );
}

function NoCluster() {
  return (
    <EmptyState icon={Database} title={text.empty.title}>
      <p>{text.empty.about}</p>
      <CodeBlock
        label={text.empty.command}
        text="holdfast apply -f cluster.yaml"
        className="text-left"
      />
    </EmptyState>
  );
}

function NoMatch({ onReset }: { onReset: () => void }) {
  return (
    <EmptyState
      icon={FilterX}
      title={text.noMatch.title}
      actions={<Button onClick={onReset}>{words.common.clearFilters}</Button>}
    >
      <p>{text.noMatch.about}</p>
    </EmptyState>
  );
}
