/** Policies: what they say and said, what a change of them would do, and changing them. */
import { queryOptions } from '@tanstack/react-query';
import { api, unwrap, type Schemas } from '../client';
import { pagedList } from '../pages';
import type { Cluster } from './clusters';

export type Policy = Cluster;
export type PolicySpec = Schemas['PolicySpec'];
export type PolicyDocument = Schemas['PolicyDocument'];
export type PolicyPreview = Schemas['PolicyPreview'];
export type PolicyRevision = Schemas['PolicyRevision'];
export type PolicySuggestion = Schemas['PolicySuggestion'];
export type PolicyLint = Schemas['PolicyLint'];

/** Enough to see a week of most schedules. */
export const PREVIEWED_RUNS = 60;

export const policies = {
  list: () =>
    pagedList<Policy>(['policies', 'list'], (page, signal) =>
      unwrap(api.GET('/api/v1/policies', { params: { query: page }, signal })),
    ),
  detail: (name: string) =>
    queryOptions({
      queryKey: ['policies', 'detail', name],
      queryFn: ({ signal }) =>
        unwrap(api.GET('/api/v1/policies/{name}', { params: { path: { name } }, signal })),
    }),
  history: (name: string) =>
    pagedList<PolicyRevision>(['policies', 'history', name], (page, signal) =>
      unwrap(
        api.GET('/api/v1/policies/{name}/history', {
          params: { path: { name }, query: page },
          signal,
        }),
      ),
    ),
  revision: (name: string, revision: number) =>
    queryOptions({
      queryKey: ['policies', 'revision', name, revision],
      queryFn: ({ signal }) =>
        unwrap(
          api.GET('/api/v1/policies/{name}/history/{revision}', {
            params: { path: { name, revision: String(revision) } },
            signal,
          }),
        ),
      // What was said stays said.
      staleTime: Infinity,
    }),
  /** What applying this document would do; asked for anew when policies change. */
  preview: (document: unknown, enabled = true) =>
    queryOptions({
      queryKey: ['policies', 'preview', document],
      queryFn: ({ signal }) =>
        unwrap(
          api.POST('/api/v1/policy-previews', {
            body: {
              documents: [document as Record<string, never>],
              runs: PREVIEWED_RUNS,
            },
            signal,
          }),
        ),
      enabled,
      retry: false,
      staleTime: 30_000,
      // Each text that was tried has one.
      gcTime: 60_000,
    }),
};

export const suggestPolicy = (body: Schemas['PolicySuggestParams']) =>
  unwrap(api.POST('/api/v1/policy-suggestions', { body }));

interface Change {
  /** Why, for those who have to consent. */
  reason?: string | undefined;
}

const because = ({ reason }: Change) =>
  reason === undefined || reason === '' ? {} : { 'Holdfast-Reason': reason };

/** Refused when the policy is no longer at `revision`, or is there when it should be new. */
export function savePolicy(
  document: PolicyDocument,
  revision: string | undefined,
  change: Change = {},
) {
  const { name } = document.metadata;
  const condition = revision === undefined ? { 'If-None-Match': '*' } : { 'If-Match': revision };
  return unwrap(
    api.PUT('/api/v1/policies/{name}', {
      params: { path: { name }, header: { ...condition, ...because(change) } },
      body: document,
    }),
  );
}

export const deletePolicy = (name: string, revision: string, change: Change = {}) =>
  unwrap(
    api.DELETE('/api/v1/policies/{name}', {
      params: { path: { name }, header: { 'If-Match': revision, ...because(change) } },
    }),
  );

export const rollbackPolicy = (
  name: string,
  to: number,
  revision: string | undefined,
  change: Change = {},
) =>
  unwrap(
    api.POST('/api/v1/policies/{name}/rollback', {
      params: {
        path: { name },
        header: { ...(revision !== undefined && { 'If-Match': revision }), ...because(change) },
      },
      body: { revision: to },
    }),
  );
