/**
 * The event stream: what changed makes queries old. Reconnects with growing pauses;
 * while it is away, everything on the page is asked for every so often.
 *
 * Events that come in a burst are gathered, so that a thousand changes cost one read.
 */
import type { QueryClient } from '@tanstack/react-query';
import { staleBy, type Root } from '../api/keys';

export type StreamState = 'connecting' | 'live' | 'down';

const GATHER_MILLISECONDS = 300;
const POLL_MILLISECONDS = 15_000;
const PAUSE_FIRST = 1_000;
const PAUSE_MOST = 30_000;

interface Source {
  addEventListener: (name: string, heard: (event: Event) => void) => void;
  close: () => void;
}

export class LiveStream {
  private state: StreamState = 'connecting';
  private since = Date.now();
  private source: Source | undefined;
  private pause = PAUSE_FIRST;
  private timers = new Set<ReturnType<typeof setTimeout>>();
  private old = new Set<Root>();
  private gathering = false;
  private readonly listeners = new Set<() => void>();

  constructor(
    private readonly queries: Pick<QueryClient, 'invalidateQueries'>,
    private readonly open: (url: string) => Source = (url) => new EventSource(url),
  ) {}

  getState = (): StreamState => this.state;

  /** Since when it is in this state. */
  getSince = (): number => this.since;

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** Connects; the answer ends the stream. */
  start(): () => void {
    this.connect();
    const polling = setInterval(() => {
      if (this.state !== 'live') void this.queries.invalidateQueries({ refetchType: 'active' });
    }, POLL_MILLISECONDS);
    return () => {
      clearInterval(polling);
      for (const timer of this.timers) clearTimeout(timer);
      this.timers.clear();
      this.source?.close();
      this.source = undefined;
    };
  }

  private connect(): void {
    const source = this.open('/api/v1/events');
    this.source = source;
    source.addEventListener('open', () => {
      // What changed while nobody listened is not told again.
      if (this.state === 'down') void this.queries.invalidateQueries();
      this.pause = PAUSE_FIRST;
      this.become('live');
    });
    source.addEventListener('error', () => this.lost(source));
    source.addEventListener('events.lost', () => void this.queries.invalidateQueries());
    for (const [plural, stale] of Object.entries(staleBy)) {
      source.addEventListener(`${plural}.changed`, () => this.changed(stale));
    }
  }

  private lost(source: Source): void {
    // The browser's own reconnecting has no growing pause and gives up on a 401.
    source.close();
    if (this.source !== source) return;
    this.source = undefined;
    this.become('down');
    this.later(() => this.connect(), this.pause);
    this.pause = Math.min(this.pause * 2, PAUSE_MOST);
  }

  private changed(stale: readonly Root[]): void {
    for (const root of stale) this.old.add(root);
    if (this.gathering) return;
    this.gathering = true;
    this.later(() => {
      this.gathering = false;
      const roots = [...this.old];
      this.old.clear();
      for (const root of roots) void this.queries.invalidateQueries({ queryKey: [root] });
    }, GATHER_MILLISECONDS);
  }

  private later(work: () => void, milliseconds: number): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      work();
    }, milliseconds);
    this.timers.add(timer);
  }

  private become(state: StreamState): void {
    if (this.state === state) return;
    this.state = state;
    this.since = Date.now();
    for (const listener of this.listeners) listener();
  }
}
