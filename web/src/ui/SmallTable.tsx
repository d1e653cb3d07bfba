/** A table of a few rows, as high as they need. Long lists have `DataTable`. */
import type { ReactNode } from 'react';
import { cx } from './cx';
import { Skeleton } from './States';

const FROM = { sm: 'max-sm:hidden', md: 'max-md:hidden', lg: 'max-lg:hidden', xl: 'max-xl:hidden' };

export interface SmallColumn<T> {
  name: string;
  /** Only screen readers need its name. */
  nameHidden?: boolean;
  cell: (row: T) => ReactNode;
  align?: 'end';
  from?: keyof typeof FROM;
  className?: string;
}

export function SmallTable<T>({
  label,
  columns,
  rows,
  rowId,
  pending = false,
  empty,
  className,
}: {
  label: string;
  columns: readonly SmallColumn<T>[];
  rows: readonly T[];
  rowId: (row: T) => string;
  pending?: boolean;
  empty?: ReactNode;
  className?: string;
}) {
  if (!pending && rows.length === 0 && empty !== undefined) return empty;
  return (
    <div
      tabIndex={0}
      role="region"
      aria-label={label}
      className={cx('scroll-quiet overflow-x-auto', className)}
    >
      <table className="w-full text-left" aria-busy={pending || undefined}>
        <thead>
          <tr className="border-b border-line bg-sunken">
            {columns.map(({ name, nameHidden = false, align, from }) => (
              <th
                key={name}
                scope="col"
                className={cx(
                  'h-9 px-4 text-xs font-semibold whitespace-nowrap text-ink-2',
                  align === 'end' && 'text-right',
                  from !== undefined && FROM[from],
                )}
              >
                <span className={cx(nameHidden && 'sr-only')}>{name}</span>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {pending
            ? Array.from({ length: 3 }, (_, row) => (
                <tr key={row} aria-hidden className="border-b border-line last:border-0">
                  {columns.map(({ name, from }) => (
                    <td key={name} className={cx('px-4 py-3', from !== undefined && FROM[from])}>
                      <Skeleton className="w-20" />
                    </td>
                  ))}
                </tr>
              ))
            : rows.map((row) => (
                <tr key={rowId(row)} className="border-b border-line last:border-0 hover:bg-sunken">
                  {columns.map(({ name, cell, align, from, className: own }) => (
                    <td
                      key={name}
                      className={cx(
                        'px-4 py-2.5 align-top',
                        align === 'end' && 'text-right',
                        from !== undefined && FROM[from],
                        own,
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
