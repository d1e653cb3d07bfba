/** A table of a few rows, whole: for parts of a page. Long lists are `DataTable`. */
import type { ReactNode } from 'react';
import { Skeleton } from '../ui/States';
import { cx } from '../ui/cx';

export interface PlainColumn<T> {
  id: string;
  title: string;
  cell: (row: T) => ReactNode;
  end?: boolean;
  /** From which width of the screen it is shown. */
  from?: 'sm' | 'md' | 'lg' | 'xl';
  wrap?: boolean;
}

const FROM = {
  sm: 'hidden sm:table-cell',
  md: 'hidden md:table-cell',
  lg: 'hidden lg:table-cell',
  xl: 'hidden xl:table-cell',
} as const;

export function PlainTable<T>({
  label,
  columns,
  rows,
  rowId,
  empty,
  className,
}: {
  label: string;
  columns: readonly PlainColumn<T>[];
  /** Undefined before the first answer. */
  rows: readonly T[] | undefined;
  rowId: (row: T) => string;
  empty?: ReactNode;
  className?: string;
}) {
  if (rows?.length === 0 && empty !== undefined) return empty;
  return (
    // It may scroll sideways, so keys must reach it.
    <div
      role="region"
      aria-label={label}
      tabIndex={0}
      className={cx('scroll-quiet overflow-x-auto', className)}
    >
      <table aria-busy={rows === undefined || undefined} className="w-full text-left">
        <thead>
          <tr className="border-b border-line bg-sunken text-xs text-ink-2">
            {columns.map(({ id, title, end, from }) => (
              <th
                key={id}
                scope="col"
                className={cx(
                  'h-9 px-3 font-semibold whitespace-nowrap first:pl-4 last:pr-4',
                  end === true && 'text-right',
                  from && FROM[from],
                )}
              >
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows === undefined
            ? Array.from({ length: 4 }, (_, row) => <WaitingRow key={row} columns={columns} />)
            : rows.map((row) => (
                <tr key={rowId(row)} className="border-b border-line last:border-0 hover:bg-sunken">
                  {columns.map(({ id, cell, end, from, wrap }) => (
                    <td
                      key={id}
                      className={cx(
                        'px-3 py-2.5 align-middle first:pl-4 last:pr-4',
                        wrap !== true && 'whitespace-nowrap',
                        end === true && 'text-right',
                        from && FROM[from],
                      )}
                    >
                      {cell(row)}
                    </td>
                  ))}
                </tr>
              ))}
        </tbody>
      </table>
    </div>
  );
}

function WaitingRow<T>({ columns }: { columns: readonly PlainColumn<T>[] }) {
  return (
    <tr aria-hidden className="border-b border-line last:border-0">
      {columns.map(({ id, from }) => (
        <td key={id} className={cx('px-3 py-3 first:pl-4', from && FROM[from])}>
          <Skeleton className="w-20" />
        </td>
      ))}
    </tr>
  );
}
