/**
 * What the API answers when it does not do what was asked (RFC 9457), as an error
 * that a page can show whole: code, cause, what to do, where to read more.
 */
import type { components } from './schema';

export type Problem = components['schemas']['Problem'];

/** Codes of this side: no answer came, or one that nobody can read. */
export type OwnCode = 'unreachable' | 'unreadable_answer';

export class ApiError extends Error {
  override readonly name = 'ApiError';

  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly hint: string,
    /** Of the node's log; absent when no node answered. */
    readonly requestId: string | undefined,
    /** The page of the code, on whichever host answered. */
    readonly page: string | undefined,
    readonly field: string | undefined,
    /** The request for approval that waits, when that is why nothing was done. */
    readonly approval: string | undefined,
    readonly retryAfterSeconds: number | undefined,
  ) {
    super(message);
  }

  /** Nobody who counts is asking: the session is over. */
  get unauthenticated(): boolean {
    return this.status === 401;
  }

  /** It may work by itself later: no quorum, too many at once, no network. */
  get temporary(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 502;
  }
}

export function problemToError(problem: Partial<Problem>, response: Response): ApiError {
  const retryAfter = Number(response.headers.get('retry-after') ?? Number.NaN);
  return new ApiError(
    response.status,
    problem.code ?? 'unreadable_answer',
    problem.message ?? problem.detail ?? response.statusText,
    problem.hint ?? '',
    problem.requestId ?? response.headers.get('x-request-id') ?? undefined,
    problem.type?.startsWith('/errors/') === true ? problem.type : undefined,
    problem.field ?? undefined,
    problem.approval ?? undefined,
    Number.isFinite(retryAfter) ? retryAfter : undefined,
  );
}

export function ownError(code: OwnCode, message: string, hint: string, status = 0): ApiError {
  return new ApiError(
    status,
    code,
    message,
    hint,
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
  );
}

export function isApiError(error: unknown): error is ApiError {
  return error instanceof ApiError;
}

/** Reads the body of an answer that is not a success. */
export async function errorOfResponse(response: Response): Promise<ApiError> {
  try {
    const body: unknown = await response.json();
    return problemToError(typeof body === 'object' && body !== null ? body : {}, response);
  } catch {
    return problemToError({}, response);
  }
}
