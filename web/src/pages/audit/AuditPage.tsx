/** The audit log, the newest first. */
import { useInfiniteQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { FilterX, ScrollText } from 'lucide-react';
import { useMemo } from 'react';
import { audit, type AuditRow } from '../../api/queries/audit';
import { Page } from '../../frame/Page';
import { DataTable } from '../../table/DataTable';
import { Button } from '../../ui/Button';
import { EmptyState, ErrorState } from '../../ui/States';
import { words } from '../../words';
import { columns } from './columns';
import { EntrySheet } from './EntrySheet';
import { Export } from './Export';
import { Filters } from './Filters';
import { filtersOf, type AuditSearch } from './route';

const text = words.audit;
const route = getRouteApi('/frame/audit');
const NEWEST = { column: 'seq', descending: true };

export function AuditPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const filters = useMemo(() => filtersOf(search), [search]);
  const query = useInfiniteQuery(audit.list(filters));
  const rows = useMemo<AuditRow[]>(
    () => query.data?.pages.flatMap(({ items }) => items) ?? [],
    [query.data],
  );
  const change = (changed: Partial<AuditSearch>) =>
    void navigate({ search: (before) => ({ ...before, ...changed }), replace: true });
  const filtered = Object.values(filters).some((value) => value !== undefined);
  const entry = rows.find(({ seq }) => seq === search.entry);
  return (
    <Page title={text.title} about={text.about} actions={<Export filters={filters} />} fill>
      {query.error !== null && rows.length === 0 ? (
        <ErrorState error={query.error} retry={() => void query.refetch()} />
      ) : (
        <>
          <Filters search={search} onChange={change} />
          <DataTable
            label={text.title}
            columns={columns}
            rows={rows}
            rowId={({ seq }) => String(seq)}
            sort={NEWEST}
            // The API has one order.
            onSort={() => undefined}
            pending={query.isPending}
            empty={
              filtered ? (
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
                <EmptyState icon={ScrollText} title={text.empty.title}>
                  <p>{text.empty.about}</p>
                </EmptyState>
              )
            }
            className="shrink"
          />
          <div className="flex flex-wrap items-center gap-3 pt-2">
            <p role="status" className="num flex-1 text-sm text-ink-3">
              {query.isFetchingNextPage
                ? text.reading
                : !query.hasNextPage && rows.length > 0
                  ? `${text.count(rows.length)}. ${text.end}`
                  : text.count(rows.length)}
            </p>
            {query.hasNextPage && (
              <Button
                size="sm"
                busy={query.isFetchingNextPage}
                onClick={() => void query.fetchNextPage()}
              >
                {text.more}
              </Button>
            )}
          </div>
        </>
      )}
      {entry !== undefined && (
        <EntrySheet
          row={entry}
          onClose={() => change({ entry: undefined })}
          onFilter={(changed) => change({ ...changed, entry: undefined })}
        />
      )}
    </Page>
  );
}
