/** Queries of backups: the catalog, and what keeps, copies and deletes them. */
import { queryOptions } from '@tanstack/react-query';
import { api, unwrap, type Schemas } from '../client';
import { pagedList } from '../pages';

export type Backup = Schemas['BackupView'];
export type BackupState = Schemas['BackupState'];
export type BackupKind = Schemas['BackupKind'];

export interface BackupFilters {
  cluster?: string | undefined;
  state?: BackupState | undefined;
  kind?: BackupKind | undefined;
  repository?: string | undefined;
}

/** What would become of everything else if a backup were deleted. */
export interface BackupDependents {
  id: string;
  cluster: string;
  state: BackupState;
  asOf: string;
  refused: Schemas['Failure'] | null;
  dependents: {
    id: string;
    kind: BackupKind;
    parent: string | null;
    finishedAt: string | null;
    repositories: string[];
  }[];
  lost: {
    repository: string;
    timeline: number | null;
    from: string;
    to: string;
    fromLsn: string | null;
    toLsn: string | null;
  }[];
  newestLeft: string | null;
}

export const backups = {
  /** Newest first. */
  list: (filters: BackupFilters = {}) =>
    pagedList<Backup>(['backups', 'list', filters], (page, signal) =>
      unwrap(
        api.GET('/api/v1/backups', {
          params: { query: { ...page, ...given(filters) } },
          signal,
        }),
      ),
    ),
  detail: (id: string) =>
    queryOptions({
      queryKey: ['backups', 'detail', id],
      queryFn: ({ signal }) =>
        unwrap(api.GET('/api/v1/backups/{id}', { params: { path: { id } }, signal })),
    }),
  dependents: (id: string) =>
    queryOptions({
      queryKey: ['backups', 'dependents', id],
      queryFn: ({ signal }) =>
        read<BackupDependents>('/api/v1/backups/{id}/dependents', id, signal),
      retry: false,
    }),
};

type Read = (
  path: string,
  ask: { params: { path: { id: string } }; signal: AbortSignal },
) => Promise<{ data?: unknown; error?: unknown; response: Response }>;

/** Of an address that `paths` does not have yet. */
async function read<T>(path: string, id: string, signal: AbortSignal) {
  const sent = (api.GET as unknown as Read)(path, { params: { path: { id } }, signal });
  return (await unwrap(sent)) as T;
}

/** Why it is done, for those who have to consent. */
function because(reason: string) {
  return reason === '' ? {} : { header: { 'Holdfast-Reason': headerText(reason) } };
}

/** A header holds bytes: the words go as UTF-8. */
export function headerText(text: string): string {
  return Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join('');
}

export const holdBackup = (id: string, params: Schemas['HoldParams']) =>
  unwrap(api.PUT('/api/v1/backups/{id}/hold', { params: { path: { id } }, body: params }));

export const releaseBackup = (id: string, reason: string) =>
  unwrap(api.DELETE('/api/v1/backups/{id}/hold', { params: { path: { id }, ...because(reason) } }));

export const copyBackup = (id: string, repository: string | undefined) =>
  unwrap(
    api.POST('/api/v1/backups/{id}/copies', {
      params: { path: { id } },
      body: repository === undefined ? {} : { repository },
    }),
  );

export const deleteBackup = (id: string, reason: string) =>
  unwrap(api.DELETE('/api/v1/backups/{id}', { params: { path: { id }, ...because(reason) } }));

function given({ cluster, state, kind, repository }: BackupFilters) {
  return {
    ...(cluster !== undefined && { cluster }),
    ...(state !== undefined && { state }),
    ...(kind !== undefined && { kind }),
    ...(repository !== undefined && { repository }),
  };
}
