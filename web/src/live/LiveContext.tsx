/** The event stream of this page, and how current what it shows is. */
import { useQueryClient, type QueryClient } from '@tanstack/react-query';
import {
  createContext,
  useContext,
  useEffect,
  useState,
  useSyncExternalStore,
  type ReactNode,
} from 'react';
import { clockOffset, freshness, type Trouble } from './freshness';
import { LiveStream, type StreamState } from './stream';
import { useNow } from './now';

const Context = createContext<LiveStream | undefined>(undefined);

export function LiveProvider({ children }: { children: ReactNode }) {
  const queries = useQueryClient();
  const [stream] = useState(() => new LiveStream(queries));
  useEffect(() => stream.start(), [stream]);
  return <Context.Provider value={stream}>{children}</Context.Provider>;
}

export interface Currency {
  stream: StreamState;
  trouble: Trouble;
  /** What is shown is true as of then; undefined before the first answer. */
  asOf: Date | undefined;
  /** Whether a banner should say that something is wrong. */
  stale: boolean;
}

/** A short interruption is nobody's business. */
const PATIENCE_MILLISECONDS = 4_000;

const never = () => () => {};

export function useCurrency(): Currency {
  const stream = useContext(Context);
  const now = useNow();
  const queries = useQueryClient();
  const state = useSyncExternalStore<StreamState>(
    stream?.subscribe ?? never,
    stream?.getState ?? (() => 'connecting'),
  );
  const downSince = state === 'down' ? stream?.getSince() : undefined;
  const { answeredAt, trouble, since } = useSyncExternalStore(freshness.subscribe, freshness.get);
  const offset = clockOffset();
  const at = state === 'live' ? answeredAt : oldestShown(queries, answeredAt);
  const waited = (from: number | undefined) =>
    from !== undefined && now - offset - from > PATIENCE_MILLISECONDS;
  return {
    stream: state,
    trouble,
    asOf: at === undefined ? undefined : new Date(at + offset),
    stale: waited(trouble === undefined ? downSince : since),
  };
}

/** Without a stream nothing says that an older answer still holds. */
function oldestShown(queries: QueryClient, newest: number | undefined): number | undefined {
  const shown = queries.getQueryCache().findAll({ type: 'active' });
  const times = shown.map(({ state }) => state.dataUpdatedAt).filter((time) => time > 0);
  return times.length === 0 ? newest : Math.min(...times);
}
