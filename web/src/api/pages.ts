/**
 * Lists come in pages with a cursor. `pagedList` is a query that reads them one after
 * another; `useWholeList` goes on reading until the end, for lists that are sorted and
 * filtered here.
 */
import {
  infiniteQueryOptions,
  useInfiniteQuery,
  type InfiniteData,
  type QueryKey,
} from '@tanstack/react-query';
import { useEffect, useMemo } from 'react';

export interface Page<T> {
  items: T[];
  nextCursor?: string | null;
}

interface PageAsk {
  limit: number;
  cursor?: string;
}

/** The first page is small, so that something is seen at once; the others are large. */
const FIRST = 200;
const NEXT = 1000;

export function pagedList<T>(
  queryKey: QueryKey,
  read: (ask: PageAsk, signal: AbortSignal) => Promise<Page<T>>,
) {
  return infiniteQueryOptions<Page<T>, Error, InfiniteData<Page<T>>, QueryKey, string | undefined>({
    queryKey,
    queryFn: ({ pageParam, signal }) =>
      read(pageParam === undefined ? { limit: FIRST } : { limit: NEXT, cursor: pageParam }, signal),
    initialPageParam: undefined,
    getNextPageParam: (last) => last.nextCursor ?? undefined,
  });
}

export type PagedList<T> = ReturnType<typeof pagedList<T>>;

export interface WholeList<T> {
  items: T[];
  /** Whether `items` is all there is. */
  complete: boolean;
  pending: boolean;
  error: Error | null;
  retry: () => void;
}

/** All items of a list, page by page. */
export function useWholeList<T>(list: PagedList<T>): WholeList<T> {
  const query = useInfiniteQuery(list);
  const { hasNextPage, isFetching, isError, fetchNextPage } = query;
  useEffect(() => {
    if (hasNextPage && !isFetching && !isError) void fetchNextPage();
  }, [hasNextPage, isFetching, isError, fetchNextPage]);
  const items = useMemo(() => query.data?.pages.flatMap((page) => page.items) ?? [], [query.data]);
  return {
    items,
    complete: query.data !== undefined && !hasNextPage,
    pending: query.isPending,
    error: query.error,
    retry: () => void query.refetch(),
  };
}
