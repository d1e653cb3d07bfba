import { useCallback, useSyncExternalStore } from 'react';

/** Tailwind's. */
const WIDTHS = { sm: 640, md: 768, lg: 1024, xl: 1280, '2xl': 1536 } as const;
export type Breakpoint = keyof typeof WIDTHS;

const queries = Object.entries(WIDTHS).map(([name, width]) => ({
  name: name as Breakpoint,
  query: globalThis.matchMedia?.(`(min-width: ${width}px)`),
}));

function subscribe(listener: () => void): () => void {
  for (const { query } of queries) query?.addEventListener('change', listener);
  return () => {
    for (const { query } of queries) query?.removeEventListener('change', listener);
  };
}

function widest(): number {
  return queries.filter(({ query }) => query?.matches ?? true).length;
}

/** Says whether the screen is at least so wide. */
export function useAtLeast(): (breakpoint: Breakpoint) => boolean {
  const reached = useSyncExternalStore(subscribe, widest);
  return useCallback(
    (breakpoint) => queries.findIndex(({ name }) => name === breakpoint) < reached,
    [reached],
  );
}
