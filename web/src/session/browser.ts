/** The session of this browser, with its locks, tabs and storage. */
import { SessionKeeper, type SessionEvent, type Surroundings } from './session';

const CHANNEL = 'holdfast.session';

async function alone(work: () => Promise<void>): Promise<void> {
  // Locks need a secure context. Without them two tabs may both renew: the control
  // plane answers the second one, for half a minute, with what it gave the first.
  if (!('locks' in navigator)) return work();
  await navigator.locks.request(CHANNEL, work);
}

function make(): SessionKeeper {
  const tabs = 'BroadcastChannel' in globalThis ? new BroadcastChannel(CHANNEL) : undefined;
  const around: Surroundings = {
    fetch: (input, init) => fetch(input, init),
    now: () => Date.now(),
    storage: localStorage,
    alone,
    tell: (event) => tabs?.postMessage(event),
    schedule: (work, milliseconds) => {
      // Longer ones would overflow and run at once.
      const timer = setTimeout(work, Math.min(milliseconds, 2 ** 31 - 1));
      return () => clearTimeout(timer);
    },
  };
  const keeper = new SessionKeeper(around);
  tabs?.addEventListener('message', (message: MessageEvent<SessionEvent>) =>
    keeper.heard(message.data),
  );
  // Timers sleep with the computer.
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') keeper.watch();
  });
  return keeper;
}

export const session = make();
