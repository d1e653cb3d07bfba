/** An act of the user: sent once, what it makes old is asked for again, and it is said. */
import { useMutation, useQueryClient } from '@tanstack/react-query';
import type { Root } from '../api/keys';
import { toast } from '../ui/Toast';

export interface ActOptions<A, R> {
  run: (argument: A) => Promise<R>;
  /** What is old once it is done. */
  stale: readonly Root[];
  /** What is said then. */
  said?: ((result: R, argument: A) => string) | undefined;
  onDone?: ((result: R, argument: A) => void) | undefined;
}

export function useAct<A = void, R = unknown>({ run, stale, said, onDone }: ActOptions<A, R>) {
  const queries = useQueryClient();
  return useMutation<R, Error, A>({
    mutationFn: run,
    onSuccess: (result, argument) => {
      for (const root of stale) void queries.invalidateQueries({ queryKey: [root] });
      if (said !== undefined) toast({ tone: 'ok', title: said(result, argument) });
      onDone?.(result, argument);
    },
  });
}
