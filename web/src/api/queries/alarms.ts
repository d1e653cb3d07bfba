/** Alarms and silences. */
import { queryOptions } from '@tanstack/react-query';
import { api, unwrap, type Schemas } from '../client';
import { pagedList } from '../pages';

export type Alarm = Schemas['Alarm'];
export type AlarmRule = Schemas['AlarmRule'];
export type Silence = Schemas['Silence'];
export type Severity = Schemas['Severity'];

export interface AlarmFilters {
  state?: 'open' | 'closed' | 'any' | undefined;
  rule?: AlarmRule | undefined;
  severity?: Severity | undefined;
  fleet?: string | undefined;
  cluster?: string | undefined;
}

export const alarms = {
  list: (filters: AlarmFilters) =>
    pagedList<Alarm>(['alarms', 'list', filters], (page, signal) => {
      const { state, rule, severity, fleet, cluster } = filters;
      const query = {
        ...page,
        ...(state !== undefined && { state }),
        ...(rule !== undefined && { rule }),
        ...(severity !== undefined && { severity }),
        ...(fleet !== undefined && { fleet }),
        ...(cluster !== undefined && { cluster }),
      };
      return unwrap(api.GET('/api/v1/alarms', { params: { query }, signal }));
    }),
  detail: (id: string) =>
    queryOptions({
      queryKey: ['alarms', 'detail', id],
      queryFn: ({ signal }) =>
        unwrap(api.GET('/api/v1/alarms/{id}', { params: { path: { id } }, signal })),
    }),
};

export const silences = {
  list: () =>
    pagedList<Silence>(['silences', 'list'], (_, signal) =>
      unwrap(api.GET('/api/v1/silences', { signal })),
    ),
};

export const acknowledgeAlarm = (id: string, note: string) =>
  unwrap(
    api.POST('/api/v1/alarms/{id}/acknowledge', {
      params: { path: { id } },
      body: note === '' ? {} : { note },
    }),
  );

export const makeSilence = (body: Schemas['SilenceRequest']) =>
  unwrap(api.POST('/api/v1/silences', { body }));

export const endSilence = (id: string) =>
  unwrap(api.DELETE('/api/v1/silences/{id}', { params: { path: { id } } }));
