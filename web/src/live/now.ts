/** One clock for all ages on the page: they change together, once a second. */
import { useSyncExternalStore } from 'react';
import { serverNow } from './freshness';

let now = serverNow();
let timer: ReturnType<typeof setInterval> | undefined;
const listeners = new Set<() => void>();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  now = serverNow();
  timer ??= setInterval(() => {
    now = serverNow();
    for (const each of listeners) each();
  }, 1000);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

/** Milliseconds since 1970 by the control plane's clock, new every second. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, () => now);
}
