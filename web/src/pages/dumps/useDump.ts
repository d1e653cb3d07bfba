/** The dumps there are to choose from, the chosen one, and the databases in it. */
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { backups, type Backup } from '../../api/queries/backups';
import { jobs } from '../../api/queries/jobs';
import { databasesOf, type Dumped } from './draft';
import type { DumpDraft } from './route';

export interface DumpChoice {
  /** The available ones, the newest first. */
  dumps: Backup[];
  more: boolean;
  pending: boolean;
  error: Error | null;
  retry: () => void;
  /** The one that is named, or the newest. */
  dump: Backup | undefined;
  databases: Dumped[];
  /** Whether the job that took it was asked what it holds. */
  databasesKnown: boolean;
}

export function useDump({ cluster, backup }: DumpDraft): DumpChoice {
  const list = useInfiniteQuery({
    ...backups.list({ cluster, kind: 'logical', state: 'available' }),
    enabled: cluster !== undefined,
  });
  const dumps = list.data?.pages.flatMap(({ items }) => items) ?? [];
  const listed = backup === undefined ? dumps[0] : dumps.find(({ id }) => id === backup);
  // An old one may lie beyond the first page.
  const named = useQuery({
    ...backups.detail(backup ?? ''),
    enabled: backup !== undefined && listed === undefined,
  });
  const dump = listed ?? (backup === undefined ? undefined : named.data);
  const job = useQuery({ ...jobs.detail(dump?.job ?? ''), enabled: dump !== undefined });
  return {
    dumps,
    more: list.hasNextPage,
    pending: cluster !== undefined && list.isPending,
    error: list.error,
    retry: () => void list.refetch(),
    dump,
    databases: dump === undefined ? [] : databasesOf(job.data?.result),
    databasesKnown: dump !== undefined && !job.isPending,
  };
}
