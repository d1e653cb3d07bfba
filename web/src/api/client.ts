/**
 * The REST API, typed by its OpenAPI document: `await unwrap(api.GET('/api/v1/…', …))`
 * answers data or throws an `ApiError`. A session that ran out is renewed once and the
 * request sent again; every POST carries an `Idempotency-Key`, so that its repeat is no
 * second act.
 */
import createClient from 'openapi-fetch';
import { noteAnswer } from '../live/freshness';
import { session } from '../session/browser';
import { words } from '../words';
import { isApiError, ownError, problemToError } from './problem';
import type { components, paths } from './schema';

export type Schemas = components['schemas'];

/** Sends a request; on a 401 renews the session and sends it once more. */
export async function sendWithSession(
  request: Request,
  send: (request: Request) => Promise<Response>,
  renew: () => Promise<void>,
): Promise<Response> {
  const again = request.clone();
  const response = await send(request);
  if (response.status !== 401) return response;
  try {
    await renew();
  } catch (error) {
    // The session is over: the 401 says so. Anything else is why there is no answer.
    if (isApiError(error) && error.unauthenticated) return response;
    throw error;
  }
  return send(again);
}

async function send(request: Request): Promise<Response> {
  // Only reads tell how fresh the page is: an act may be refused for its own reasons.
  const reads = request.method === 'GET';
  try {
    const response = await fetch(request);
    if (reads) noteAnswer(response);
    return response;
  } catch (error) {
    if (request.signal.aborted) throw error;
    const { message, hint } = words.errors.unreachable;
    const failure = ownError('unreachable', message, hint);
    if (reads) noteAnswer(failure);
    throw failure;
  }
}

export const api = createClient<paths>({
  baseUrl: globalThis.location?.origin ?? '',
  credentials: 'same-origin',
  fetch: (request) => sendWithSession(request, send, () => session.renew()),
});

api.use({
  onRequest({ request }) {
    if (request.method === 'POST' && !request.headers.has('idempotency-key')) {
      request.headers.set('idempotency-key', newKey());
    }
    return request;
  },
});

/** `crypto.randomUUID` wants a secure context; this does not. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** The data of an answer; throws what the API says instead. */
export async function unwrap<T>(
  sent: Promise<{ data?: T; error?: unknown; response: Response }>,
): Promise<Exclude<T, undefined>> {
  const { data, error, response } = await sent;
  if (response.ok) return data as Exclude<T, undefined>;
  throw problemToError(typeof error === 'object' && error !== null ? error : {}, response);
}

/** The revision that an answer shows, for `If-Match` of the change that follows. */
export function revisionOf(resource: { status: { revision: number } }): string {
  return `"${resource.status.revision}"`;
}
