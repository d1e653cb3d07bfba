/** What is read: its skeleton until it came, what is wrong if it did not, else the page. */
import type { UseQueryResult } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { ErrorState, Skeleton } from '../../ui/States';
import { words } from '../../words';

export function Await<T>({
  query,
  children,
  lines = 6,
}: {
  query: UseQueryResult<T>;
  children: (data: T) => ReactNode;
  lines?: number;
}) {
  // What was read before stays to be seen when a later read fails; the frame says so.
  if (query.data !== undefined) return children(query.data);
  if (query.error !== null) {
    return <ErrorState error={query.error} retry={() => void query.refetch()} />;
  }
  return (
    <div aria-busy className="space-y-3 rounded-lg border border-line bg-surface p-4">
      <span role="status" className="sr-only">
        {words.common.loading}
      </span>
      {Array.from({ length: lines }, (_, line) => (
        <Skeleton
          key={line}
          className={line % 3 === 0 ? 'w-1/3' : line % 3 === 1 ? 'w-4/5' : 'w-3/5'}
        />
      ))}
    </div>
  );
}
