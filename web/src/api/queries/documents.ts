/** The document that is declared at an address now; null when there is none. */
import { queryOptions } from '@tanstack/react-query';
import { api, unwrap } from '../client';
import { isApiError } from '../problem';

export interface Declared {
  metadata: Record<string, unknown>;
  spec: unknown;
}

type Read = (
  path: string,
  ask: { signal: AbortSignal },
) => Promise<{ data?: unknown; error?: unknown; response: Response }>;

export const documents = {
  /** `/api/v1/policies/gold`: which kind is known only while it runs. */
  at: (path: string) =>
    queryOptions({
      queryKey: [path.split('/')[3] ?? 'documents', 'document', path],
      queryFn: async ({ signal }): Promise<Declared | null> => {
        try {
          return (await unwrap((api.GET as unknown as Read)(path, { signal }))) as Declared;
        } catch (error) {
          if (isApiError(error) && error.status === 404) return null;
          throw error;
        }
      },
    }),
};
