/**
 * A table of any length: only the rows in sight are drawn, and only they are TanStack's
 * rows (making ten thousand of those takes longer than sorting them). Sorted by its headers
 * (the caller keeps the sort, in the URL); arrow keys, Home and End go from row to row, and
 * Enter follows a row's first link.
 *
 * Columns are TanStack's, with `meta`: `width` (a track of CSS grid), `align`, and
 * `from`, the breakpoint from which a column has room.
 */
import {
  flexRender,
  getCoreRowModel,
  useReactTable,
  type ColumnDef,
  type Header,
  type Row,
  type RowData,
} from '@tanstack/react-table';
import { useVirtualizer, type VirtualItem } from '@tanstack/react-virtual';
import { ArrowDown, ArrowUp, ChevronsUpDown } from 'lucide-react';
import { useEffect, useMemo, useRef, type KeyboardEvent, type ReactNode } from 'react';
import type { Sort } from '../search/search';
import { isSortable, sortedBy } from './sorted';
import { cx } from '../ui/cx';
import { Skeleton } from '../ui/States';
import { words } from '../words';
import { useAtLeast, type Breakpoint } from './useBreakpoint';

declare module '@tanstack/react-table' {
  interface ColumnMeta<TData extends RowData, TValue> {
    width?: string;
    align?: 'end';
    from?: Breakpoint;
  }
}

/** Of a table: its header with the borders, and what a table of many rows has at least. */
const HEAD = 39;
const LEAST = 288;

export interface DataTableProps<T> {
  /** What the rows are: the table's name. */
  label: string;
  // Each column has its own type of value.
  // oxlint-disable-next-line typescript/no-explicit-any
  columns: ColumnDef<T, any>[];
  rows: T[];
  rowId: (row: T) => string;
  sort: Sort;
  onSort: (sort: Sort) => void;
  /** Before the first answer. */
  pending?: boolean;
  /** Instead of rows when there are none. */
  empty?: ReactNode;
  rowHeight?: number;
  className?: string;
}

export function DataTable<T>(props: DataTableProps<T>) {
  const { label, columns, rows, rowId, sort, onSort, pending = false, empty } = props;
  const { rowHeight = 46, className } = props;
  const atLeast = useAtLeast();
  const scroller = useRef<HTMLDivElement>(null);
  /** The row that takes the focus as soon as it is drawn. */
  const wanted = useRef<number>(undefined);
  // New ones would have 10,000 rows sorted with every frame.
  const fitting = useMemo(
    () => columns.filter(({ meta }) => meta?.from === undefined || atLeast(meta.from)),
    [columns, atLeast],
  );
  const { column, descending } = sort;
  const sorted = useMemo(
    () => sortedBy(rows, columns, { column, descending }),
    [rows, columns, column, descending],
  );
  const virtual = useVirtualizer({
    count: sorted.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    overscan: 8,
    // The wheel turns more often than frames are drawn.
    useFlushSync: false,
  });
  const items = virtual.getVirtualItems();
  const first = items[0]?.index ?? 0;
  const end = (items.at(-1)?.index ?? -1) + 1;
  const inSight = useMemo(() => sorted.slice(first, end), [sorted, first, end]);
  const table = useReactTable({
    data: inSight,
    columns: fitting,
    getRowId: rowId,
    manualSorting: true,
    autoResetAll: false,
    getCoreRowModel: getCoreRowModel(),
  });
  const shown = table.getRowModel().rows;
  const template = table
    .getVisibleLeafColumns()
    .map(({ columnDef }) => columnDef.meta?.width ?? 'minmax(8rem, 1fr)')
    .join(' ');
  const grid = { gridTemplateColumns: template };
  // It ends with its last row; a short screen leaves it so much to scroll in.
  const least = sorted.length === 0 ? undefined : Math.min(LEAST, virtual.getTotalSize() + HEAD);

  const onKeyDown = (event: KeyboardEvent<HTMLElement>) => {
    const here = rowOf(event.target);
    const to = nextRow(event.key, here, sorted.length);
    if (to === undefined) return;
    event.preventDefault();
    virtual.scrollToIndex(to);
    if (!focusRow(scroller.current, to)) wanted.current = to;
  };
  // A row far away is drawn some frames later.
  useEffect(() => {
    const row = wanted.current;
    if (row !== undefined && focusRow(scroller.current, row)) wanted.current = undefined;
  }, [first, end]);

  return (
    <div
      ref={scroller}
      role="table"
      aria-label={label}
      aria-rowcount={sorted.length + 1}
      aria-busy={pending || undefined}
      tabIndex={0}
      onKeyDown={onKeyDown}
      style={{ minHeight: least }}
      className={cx(
        'scroll-quiet relative overflow-auto rounded-lg border border-line bg-surface focus-visible:outline-offset-[-2px]',
        className,
      )}
    >
      <div role="rowgroup" className="sticky top-0 z-10 bg-sunken">
        <div role="row" aria-rowindex={1} className="grid border-b border-line" style={grid}>
          {table.getFlatHeaders().map((header) => (
            <HeaderCell key={header.id} header={header} sort={sort} onSort={onSort} />
          ))}
        </div>
      </div>
      {pending && <Waiting grid={grid} columns={table.getVisibleLeafColumns().length} />}
      {!pending && sorted.length === 0 && empty !== undefined && empty !== false && (
        // A table has nothing but rows in it.
        <div role="rowgroup">
          <div role="row">
            <div role="cell">{empty}</div>
          </div>
        </div>
      )}
      <div role="rowgroup" className="relative" style={{ height: virtual.getTotalSize() }}>
        {items.map((item) => {
          const row = shown[item.index - first];
          return row && <BodyRow key={row.id} row={row} item={item} grid={grid} />;
        })}
      </div>
    </div>
  );
}

function HeaderCell<T>({
  header,
  sort,
  onSort,
}: {
  header: Header<T, unknown>;
  sort: Sort;
  onSort: (sort: Sort) => void;
}) {
  const { column } = header;
  const end = column.columnDef.meta?.align === 'end';
  const title = flexRender(column.columnDef.header, header.getContext());
  const active = sort.column === column.id;
  const Icon = !active ? ChevronsUpDown : sort.descending ? ArrowDown : ArrowUp;
  return (
    <div
      role="columnheader"
      aria-sort={active ? (sort.descending ? 'descending' : 'ascending') : undefined}
      className={cx(
        'flex min-w-0 items-center px-3 text-xs font-semibold text-ink-2',
        end && 'justify-end',
      )}
    >
      {isSortable(column.columnDef) ? (
        <button
          type="button"
          title={words.common.sortedBy(typeof title === 'string' ? title : column.id)}
          onClick={() =>
            onSort({ column: column.id, descending: active ? !sort.descending : false })
          }
          className={cx(
            'group flex h-9 items-center gap-1 rounded-sm whitespace-nowrap hover:text-ink focus-visible:outline-offset-[-2px]',
            end && 'flex-row-reverse',
          )}
        >
          {title}
          <Icon
            aria-hidden
            className={cx(
              'size-3.5',
              !active && 'opacity-0 group-hover:opacity-60 group-focus-visible:opacity-60',
            )}
          />
        </button>
      ) : (
        <span className="flex h-9 items-center">{title}</span>
      )}
    </div>
  );
}

function BodyRow<T>({
  row,
  item,
  grid,
}: {
  row: Row<T>;
  item: VirtualItem;
  grid: { gridTemplateColumns: string };
}) {
  return (
    <div
      role="row"
      aria-rowindex={item.index + 2}
      data-row={item.index}
      className="absolute inset-x-0 grid border-b border-line contain-content last:border-b-transparent hover:bg-sunken has-[:focus-visible]:bg-sunken"
      style={{ ...grid, height: item.size, transform: `translateY(${item.start}px)` }}
    >
      {row.getVisibleCells().map((cell) => (
        <div
          key={cell.id}
          role="cell"
          className={cx(
            'flex min-w-0 items-center px-3',
            cell.column.columnDef.meta?.align === 'end' && 'justify-end text-right',
          )}
        >
          {flexRender(cell.column.columnDef.cell, cell.getContext())}
        </div>
      ))}
    </div>
  );
}

function Waiting({ grid, columns }: { grid: { gridTemplateColumns: string }; columns: number }) {
  return (
    <div aria-hidden>
      {Array.from({ length: 8 }, (_, row) => (
        <div key={row} className="grid h-11 border-b border-line" style={grid}>
          {Array.from({ length: columns }, (_, column) => (
            <span key={column} className="flex items-center px-3">
              <Skeleton className={column === 0 ? 'w-32' : 'w-16'} />
            </span>
          ))}
        </div>
      ))}
    </div>
  );
}

function rowOf(target: EventTarget): number | undefined {
  if (!(target instanceof HTMLElement)) return undefined;
  const index = target.closest<HTMLElement>('[data-row]')?.dataset['row'];
  return index === undefined ? undefined : Number(index);
}

function nextRow(key: string, here: number | undefined, count: number): number | undefined {
  if (count === 0) return undefined;
  const last = count - 1;
  switch (key) {
    case 'ArrowDown':
      return here === undefined ? 0 : Math.min(last, here + 1);
    case 'ArrowUp':
      return here === undefined ? undefined : Math.max(0, here - 1);
    case 'Home':
      return 0;
    case 'End':
      return last;
    default:
      return undefined;
  }
}

/** Says whether the row is there. */
function focusRow(scroller: HTMLElement | null, index: number): boolean {
  const row = scroller?.querySelector<HTMLElement>(`[data-row="${index}"]`);
  row?.querySelector<HTMLElement>('a, button, [tabindex]')?.focus({ preventScroll: true });
  return row !== null && row !== undefined;
}
