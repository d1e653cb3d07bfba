/** One query client; what is temporary is asked again, what is refused is not. */
import { QueryClient } from '@tanstack/react-query';
import { isApiError } from './problem';

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      // Events and the heartbeat say what is old.
      staleTime: 10_000,
      refetchOnWindowFocus: true,
      retry: (failures, error) => failures < 2 && (!isApiError(error) || error.temporary),
      retryDelay: (attempt, error) => {
        const said = isApiError(error) ? error.retryAfterSeconds : undefined;
        return said === undefined ? Math.min(1000 * 2 ** attempt, 10_000) : said * 1000;
      },
    },
    mutations: { retry: false },
  },
});
