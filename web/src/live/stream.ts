/**
 * The event stream: what changed makes queries old. Reconnects with growing pauses;
 * while it is away, everything on the page is asked for every so often.
 *
 * Events that come in a burst are gathered, so that a thousand changes cost one read; a
 * read under way is never cut off by the next change, and long reads are rarer, so that
 * a list of many pages comes to its end however much changes.
 */
import type { QueryClient } from '@tanstack/react-query';
import { roots, staleBy, type Root } from '../api/keys';

export type StreamState = 'connecting' | 'live' | 'down';

const GATHER_MILLISECONDS = 300;
const POLL_MILLISECONDS = 15_000;
/** After a read, so many times as long nothing is read again. */
const REST = 2;
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
  /** When a root may be read again. */
  private readonly notBefore = new Map<Root, number>();
  private readonly listeners = new Set<() => void>();

  constructor(
    private readonly queries: Pick<QueryClient, 'invalidateQueries' | 'isFetching'>,
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
      if (this.state !== 'live') this.changed(roots);
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
      if (this.state === 'down') this.changed(roots);
      this.pause = PAUSE_FIRST;
      this.become('live');
    });
    source.addEventListener('error', () => this.lost(source));
    source.addEventListener('events.lost', () => this.changed(roots));
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
    this.later(() => this.refresh(), GATHER_MILLISECONDS);
  }

  private refresh(): void {
    this.gathering = false;
    const now = Date.now();
    for (const root of this.old) {
      const queryKey = [root];
      if ((this.notBefore.get(root) ?? 0) > now) continue;
      if (this.queries.isFetching({ queryKey }) > 0) continue;
      this.old.delete(root);
      void this.queries.invalidateQueries({ queryKey }).then(() => {
        const took = Date.now() - now;
        this.notBefore.set(root, now + took + REST * took);
      });
    }
    // What could not be read yet is looked at again.
    if (this.old.size > 0) this.changed([]);
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
