/** Queries of compliance over time: numbers of a period, violations, exemptions. */
import { queryOptions } from '@tanstack/react-query';
import { api, unwrap, type Schemas } from '../client';
import { pagedList } from '../pages';

export type ComplianceRow = Schemas['List_Compliance']['items'][number];
export type Violation = Schemas['Violation'];
export type Exemption = Schemas['Exemption'];
/** The document takes the numbers of the period for a verdict: what is used is said here. */
export interface ClusterHistory {
  cluster: string;
  phases: Schemas['CompliancePhase'][];
  violations: Violation[];
}

/** From then to now: an end would leave out what is new since. */
export interface Period {
  from: string;
}

export interface ViolationFilters {
  cluster?: string | undefined;
  fleet?: string | undefined;
  open?: boolean | undefined;
  from?: string | undefined;
}

export const compliance = {
  list: (period: Period, filters: { fleet?: string | undefined } = {}) =>
    pagedList<ComplianceRow>(['compliance', 'list', period, filters], (page, signal) =>
      unwrap(
        api.GET('/api/v1/compliance', {
          params: { query: { ...page, ...period, ...given(filters) } },
          signal,
        }),
      ),
    ),
  /** What states a cluster was in, and when. */
  history: (name: string, period: Period) =>
    queryOptions({
      queryKey: ['compliance', 'history', name, period],
      queryFn: async ({ signal }): Promise<ClusterHistory> => {
        const params = { path: { name }, query: period };
        const { phases, violations } = await unwrap(
          api.GET('/api/v1/clusters/{name}/compliance', { params, signal }),
        );
        return { cluster: name, phases, violations };
      },
      staleTime: 60_000,
      placeholderData: (before) => (before?.cluster === name ? before : undefined),
    }),
  violations: (filters: ViolationFilters) =>
    pagedList<Violation>(['violations', 'list', filters], (page, signal) =>
      unwrap(
        api.GET('/api/v1/violations', {
          params: { query: { ...page, ...given(filters) } },
          signal,
        }),
      ),
    ),
  exemptions: (filters: { cluster?: string | undefined; inForce?: boolean | undefined } = {}) =>
    pagedList<Exemption>(['exemptions', 'list', filters], (page, signal) =>
      unwrap(
        api.GET('/api/v1/exemptions', {
          params: { query: { ...page, ...given(filters) } },
          signal,
        }),
      ),
    ),
};

export const requestExemption = (name: string, body: Schemas['ExemptionParams']) =>
  unwrap(api.POST('/api/v1/clusters/{name}/exemptions', { params: { path: { name } }, body }));

export const endExemption = (id: string) =>
  unwrap(api.DELETE('/api/v1/exemptions/{id}', { params: { path: { id } } }));

type Given<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** What is said; the rest is not asked for. */
function given<T extends object>(filters: T): Given<T> {
  return Object.fromEntries(
    Object.entries(filters).filter(([, value]) => value !== undefined),
  ) as Given<T>;
}
