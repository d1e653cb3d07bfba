/** Queries of approvals: what people ask others to consent to. */
import { queryOptions } from '@tanstack/react-query';
import { api, unwrap, type Schemas } from '../client';
import { pagedList } from '../pages';

export type Approval = Schemas['Approval'];

export const APPROVAL_STATES = [
  'pending',
  'executed',
  'rejected',
  'expired',
  'cancelled',
  'failed',
] as const;
export type ApprovalState = (typeof APPROVAL_STATES)[number];

export const approvals = {
  /** Newest first. */
  list: (state?: ApprovalState) =>
    pagedList<Approval>(['approvals', 'list', { state }], (page, signal) =>
      unwrap(
        api.GET('/api/v1/approvals', {
          params: { query: { ...page, ...(state !== undefined && { state }) } },
          signal,
        }),
      ),
    ),
  detail: (id: string) =>
    queryOptions({
      queryKey: ['approvals', 'detail', id],
      queryFn: ({ signal }) =>
        unwrap(api.GET('/api/v1/approvals/{id}', { params: { path: { id } }, signal })),
    }),
};

export type Vote = 'approve' | 'reject';

export function voteOn(id: string, vote: Vote, note: string) {
  const sent = { params: { path: { id } }, body: note === '' ? {} : { note } };
  return vote === 'approve'
    ? unwrap(api.POST('/api/v1/approvals/{id}/approve', sent))
    : unwrap(api.POST('/api/v1/approvals/{id}/reject', sent));
}

export const takeBack = (id: string) =>
  unwrap(api.POST('/api/v1/approvals/{id}/cancel', { params: { path: { id } } }));
