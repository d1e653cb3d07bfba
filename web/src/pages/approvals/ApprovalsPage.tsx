/** What waits for the consent of others, and what was asked before. */
import { useInfiniteQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { createColumnHelper } from '@tanstack/react-table';
import { ClipboardCheck } from 'lucide-react';
import { approvals, type Approval } from '../../api/queries/approvals';
import { Page } from '../../frame/Page';
import { DataTable } from '../../table/DataTable';
import { CodeBlock } from '../../ui/Code';
import { EmptyState, ErrorState, Skeleton } from '../../ui/States';
import { Tabs } from '../../ui/Tabs';
import { Time } from '../../ui/Values';
import { Subject } from '../../subjects/Subject';
import { whoOf } from '../../subjects/who';
import { words } from '../../words';
import { ApprovalLink } from '../work/links';
import { MoreRows } from '../work/MoreRows';
import { ApprovalPill } from '../work/pills';
import { actionWords } from './about';
import { PendingCard } from './PendingCard';

const text = words.approvals;
const route = getRouteApi('/frame/approvals');

export function ApprovalsPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const view = search.view ?? 'pending';
  return (
    <Page title={text.title} about={text.about}>
      <Tabs
        label={text.views.label}
        value={view}
        onChange={(next) =>
          void navigate({ search: next === 'pending' ? {} : { view: next }, replace: true })
        }
        tabs={[
          { value: 'pending', text: text.views.pending, content: <Pending /> },
          { value: 'decided', text: text.views.decided, content: <All /> },
        ]}
      />
    </Page>
  );
}

function Pending() {
  const list = useInfiniteQuery(approvals.list('pending'));
  const requests = list.data?.pages.flatMap(({ items }) => items) ?? [];
  if (list.error !== null && list.data === undefined) {
    return <ErrorState error={list.error} retry={() => void list.refetch()} />;
  }
  if (list.isPending) return <Skeleton className="h-28" />;
  if (requests.length === 0) {
    return (
      <EmptyState icon={ClipboardCheck} title={text.none.title}>
        <p>{text.none.about}</p>
        <CodeBlock label={text.none.command} text={text.none.example} className="text-left" />
      </EmptyState>
    );
  }
  return (
    <>
      <ul className="grid grid-cols-1 gap-4 xl:grid-cols-2">
        {requests.map((request) => (
          <li key={request.id}>
            <PendingCard request={request} />
          </li>
        ))}
      </ul>
      {list.hasNextPage && <MoreRows count={requests.length} list={list} />}
    </>
  );
}

const column = createColumnHelper<Approval>();
const fixed = { enableSorting: false } as const;
const columns = [
  column.accessor('id', {
    header: text.columns.id,
    ...fixed,
    meta: { width: 'minmax(8.5rem, 9.75rem)' },
    cell: ({ getValue }) => <ApprovalLink id={getValue()} />,
  }),
  column.accessor('action', {
    header: text.columns.action,
    ...fixed,
    meta: { width: 'minmax(8rem, 2fr)', from: 'sm' },
    cell: ({ getValue }) => <span className="truncate">{actionWords(getValue())}</span>,
  }),
  column.accessor('subject', {
    header: text.columns.subject,
    ...fixed,
    meta: { width: 'minmax(8rem, 2fr)', from: 'lg' },
    cell: ({ getValue }) => (
      <span className="truncate text-sm">
        <Subject subject={getValue()} />
      </span>
    ),
  }),
  column.accessor('state', {
    header: text.columns.state,
    ...fixed,
    meta: { width: '8.25rem' },
    cell: ({ getValue }) => <ApprovalPill state={getValue()} />,
  }),
  column.accessor('requestedBy', {
    header: text.columns.by,
    ...fixed,
    meta: { width: 'minmax(7rem, 1fr)', from: 'md' },
    cell: ({ getValue }) => <span className="truncate">{whoOf(getValue())}</span>,
  }),
  column.accessor('createdAt', {
    header: text.columns.created,
    ...fixed,
    meta: { width: 'minmax(6rem, 1fr)' },
    cell: ({ getValue }) => <Time at={getValue()} />,
  }),
];
const ORDER = { column: 'createdAt', descending: true };

function All() {
  const list = useInfiniteQuery(approvals.list());
  const rows = list.data?.pages.flatMap(({ items }) => items) ?? [];
  if (list.error !== null && list.data === undefined) {
    return <ErrorState error={list.error} retry={() => void list.refetch()} />;
  }
  return (
    <>
      <DataTable
        label={text.views.decided}
        columns={columns}
        rows={rows}
        rowId={({ id }) => id}
        sort={ORDER}
        onSort={() => {}}
        pending={list.isPending}
        empty={
          <EmptyState icon={ClipboardCheck} title={text.noneAtAll.title}>
            <p>{text.noneAtAll.about}</p>
          </EmptyState>
        }
        className="max-h-[calc(100dvh-16rem)]"
      />
      <MoreRows count={rows.length} list={list} />
    </>
  );
}
