/** Every cluster, and what would be lost if it went now. 10,000 are as quick as ten. */
import { getRouteApi } from '@tanstack/react-router';
import { Database, FilterX } from 'lucide-react';
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
import { columns } from './columns';
import { Filters } from './Filters';
import { matching, rowsOf } from './rows';
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
    <Page title={text.title} about={text.about} fill>
      <Filters search={search} onChange={change} />
      <DataTable
        label={text.title}
        columns={columns}
        rows={shown}
        rowId={(row) => row.name}
        sort={readSort(search.sort ?? 'name')}
        onSort={(sort: Sort) => change({ sort: writeSort(sort) as ClusterSearch['sort'] })}
        pending={declared.pending}
        empty={declared.complete && (filtered ? <NoMatch onReset={reset} /> : <NoCluster />)}
        className="min-h-72 flex-1"
      />
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
