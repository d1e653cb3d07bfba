/** The audit log. It is long: it is read page by page, and no further than one looks. */
import { infiniteQueryOptions, type InfiniteData, type QueryKey } from '@tanstack/react-query';
import { api, unwrap, type Schemas } from '../client';
import type { Page } from '../pages';

export type AuditRow = Schemas['AuditRow'];

export interface AuditFilters {
  principal?: string | undefined;
  action?: string | undefined;
  target?: string | undefined;
  since?: string | undefined;
  until?: string | undefined;
}

const PAGE = 200;
const EXPORTED = 1000;

export function readAudit(
  filters: AuditFilters,
  ask: { limit: number; cursor?: string },
  signal?: AbortSignal,
) {
  const { principal, action, target, since, until } = filters;
  const query = {
    ...ask,
    ...(principal !== undefined && { principal }),
    ...(action !== undefined && { action }),
    ...(target !== undefined && { target }),
    ...(since !== undefined && { since }),
    ...(until !== undefined && { until }),
  };
  return unwrap(
    api.GET('/api/v1/audit', {
      params: { query },
      ...(signal !== undefined && { signal }),
    }),
  );
}

export const audit = {
  list: (filters: AuditFilters) =>
    infiniteQueryOptions<
      Page<AuditRow>,
      Error,
      InfiniteData<Page<AuditRow>>,
      QueryKey,
      string | undefined
    >({
      queryKey: ['audit', 'list', filters],
      queryFn: ({ pageParam, signal }) =>
        readAudit(
          filters,
          pageParam === undefined ? { limit: PAGE } : { limit: PAGE, cursor: pageParam },
          signal,
        ),
      initialPageParam: undefined,
      getNextPageParam: (last) => last.nextCursor ?? undefined,
    }),
};

/** All rows that match, `most` at the most, the newest first. */
export async function readAll(
  filters: AuditFilters,
  most: number,
  onRead: (read: number) => void,
): Promise<{ rows: AuditRow[]; complete: boolean }> {
  const rows: AuditRow[] = [];
  let cursor: string | undefined;
  do {
    const page = await readAudit(
      filters,
      cursor === undefined ? { limit: EXPORTED } : { limit: EXPORTED, cursor },
    );
    rows.push(...page.items);
    onRead(rows.length);
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined && rows.length < most);
  return { rows, complete: cursor === undefined };
}
