/**
 * Rows in the order of a column, by what its accessor says of each: what is not known is
 * last either way, and of equals the order stays.
 */
import type { ColumnDef } from '@tanstack/react-table';
import type { Sort } from '../search/search';

// Each column has its own type of value.
// oxlint-disable-next-line typescript/no-explicit-any
type Column<T> = ColumnDef<T, any>;

/** Whether its header sorts. */
export function isSortable<T>(column: Column<T>): boolean {
  return column.enableSorting !== false && valueOf(column) !== undefined;
}

export function sortedBy<T>(rows: readonly T[], columns: readonly Column<T>[], sort: Sort): T[] {
  const column = columns.find((each) => idOf(each) === sort.column);
  const value = column && valueOf(column);
  if (value === undefined) return [...rows];
  // Asked once for each row and not for each comparison.
  const keyed = rows.map((row, index) => ({ row, key: value(row, index) }));
  const sign = sort.descending ? -1 : 1;
  keyed.sort((one, other) => {
    if (one.key === undefined || other.key === undefined) {
      return Number(one.key === undefined) - Number(other.key === undefined);
    }
    return sign * compare(one.key, other.key);
  });
  return keyed.map(({ row }) => row);
}

/** Names are in the API's order, by code. */
function compare(one: never, other: never): number {
  return one === other ? 0 : one > other ? 1 : -1;
}

function idOf<T>(column: Column<T>): string | undefined {
  return column.id ?? ('accessorKey' in column ? String(column.accessorKey) : undefined);
}

function valueOf<T>(column: Column<T>): ((row: T, index: number) => never) | undefined {
  if ('accessorFn' in column) return column.accessorFn as (row: T, index: number) => never;
  if ('accessorKey' in column) {
    const key = column.accessorKey as keyof T;
    return (row) => row[key] as never;
  }
  return undefined;
}
