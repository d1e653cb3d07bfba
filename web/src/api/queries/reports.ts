/** Reports: those that were made, the keys that sign, and making one. */
import { api, unwrap, type Schemas } from '../client';
import { pagedList } from '../pages';
import { problemToError } from '../problem';

export type MadeReport = Schemas['MadeReport'];
export type ReportKey = Schemas['ReportKey'];
export type ReportRequest = Schemas['ReportRequest'];

export const reports = {
  list: () =>
    pagedList<MadeReport>(['reports', 'list'], (page, signal) =>
      unwrap(api.GET('/api/v1/reports', { params: { query: page }, signal })),
    ),
  keys: () =>
    pagedList<ReportKey>(['reports', 'keys'], (_, signal) =>
      unwrap(api.GET('/api/v1/report-keys', { signal })),
    ),
};

export interface ReportFile {
  blob: Blob;
  name: string;
  id: string | undefined;
  asKnownAt: string | undefined;
  sha256: string | undefined;
}

/** The file itself, with what its headers say of it. */
export async function makeReport(body: ReportRequest): Promise<ReportFile> {
  const { data, error, response } = await api.POST('/api/v1/reports/compliance', {
    body,
    parseAs: 'blob',
  });
  if (!response.ok) {
    throw problemToError(typeof error === 'object' && error !== null ? error : {}, response);
  }
  const header = (name: string) => response.headers.get(name) ?? undefined;
  const day = (at: string | null | undefined) => at?.slice(0, 10);
  const parts = ['holdfast', body.fleet, day(body.from), day(body.to)].filter(Boolean);
  return {
    blob: data as unknown as Blob,
    name: `${parts.join('-')}.${body.format ?? 'json'}`,
    id: header('holdfast-report'),
    asKnownAt: header('holdfast-as-known-at'),
    sha256: header('holdfast-body-sha256'),
  };
}
