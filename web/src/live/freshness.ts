/**
 * How fresh what is shown is: when the control plane last answered, how its clock
 * differs from this one, and what is wrong with asking it.
 */
import type { ApiError } from '../api/problem';

export type Trouble = 'unreachable' | 'unavailable' | undefined;

export interface Freshness {
  /** When the newest good answer came, by this browser's clock. */
  answeredAt: number | undefined;
  trouble: Trouble;
  /** Since when there is trouble. */
  since: number | undefined;
}

let state: Freshness = { answeredAt: undefined, trouble: undefined, since: undefined };
let offsetMilliseconds = 0;
const listeners = new Set<() => void>();

function set(next: Freshness): void {
  state = next;
  for (const listener of listeners) listener();
}

function setTrouble(trouble: Trouble): void {
  const since = state.trouble === undefined ? Date.now() : state.since;
  set({ ...state, trouble, since });
}

/** Takes note of an answer, or that there was none. */
export function noteAnswer(answer: Response | ApiError): void {
  if (!(answer instanceof Response)) {
    setTrouble('unreachable');
    return;
  }
  noteClock(answer);
  if (answer.status === 503 || answer.status === 502 || answer.status === 504) {
    setTrouble('unavailable');
  } else if (answer.ok) {
    set({ answeredAt: Date.now(), trouble: undefined, since: undefined });
  }
}

function noteClock(answer: Response): void {
  const date = Date.parse(answer.headers.get('date') ?? '');
  if (Number.isNaN(date)) return;
  const difference = date - Date.now();
  // The header tells whole seconds, and answers travel: less is no difference.
  offsetMilliseconds = Math.abs(difference) > 2500 ? difference : 0;
}

/** By how much the control plane's clock is ahead of this one. */
export function clockOffset(): number {
  return offsetMilliseconds;
}

/** Now, by the control plane's clock: ages of what it tells are told by its own time. */
export function serverNow(): number {
  return Date.now() + offsetMilliseconds;
}

export const freshness = {
  get: (): Freshness => state,
  subscribe: (listener: () => void): (() => void) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
};
