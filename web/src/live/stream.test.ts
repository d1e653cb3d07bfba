import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { roots } from '../api/keys';
import { LiveStream } from './stream';

class Source {
  closed = false;
  private readonly heard = new Map<string, (event: Event) => void>();
  addEventListener(name: string, listener: (event: Event) => void): void {
    this.heard.set(name, listener);
  }
  close(): void {
    this.closed = true;
  }
  emit(name: string): void {
    this.heard.get(name)?.(new Event(name));
  }
}

let sources: Source[];
let invalidated: unknown[];
let stop: () => void;
let stream: LiveStream;
let fetching: number;
let reading: Promise<void>;

beforeEach(() => {
  vi.useFakeTimers();
  sources = [];
  invalidated = [];
  fetching = 0;
  reading = Promise.resolve();
  const queries = {
    invalidateQueries: (filters?: unknown) => {
      invalidated.push(filters);
      return reading;
    },
    isFetching: () => fetching,
  };
  stream = new LiveStream(queries, () => {
    const source = new Source();
    sources.push(source);
    return source;
  });
  stop = stream.start();
});
afterEach(() => {
  stop();
  vi.useRealTimers();
});

const newest = () => sources.at(-1) ?? expect.fail('no connection');

describe('an event', () => {
  test('makes old what it changes, once for a burst', () => {
    newest().emit('open');
    for (let i = 0; i < 50; i += 1) newest().emit('jobs.changed');
    expect(invalidated).toEqual([]);
    vi.advanceTimersByTime(300);
    expect(invalidated).toEqual([
      { queryKey: ['jobs'] },
      { queryKey: ['runs'] },
      { queryKey: ['status'] },
    ]);
  });

  test('that was lost makes everything old', () => {
    newest().emit('open');
    newest().emit('events.lost');
    vi.advanceTimersByTime(300);
    expect(invalidated).toHaveLength(roots.length);
  });

  test('does not cut off a read that is under way, and is not forgotten', () => {
    newest().emit('open');
    fetching = 1;
    newest().emit('secrets.changed');
    vi.advanceTimersByTime(3000);
    expect(invalidated).toEqual([]);
    fetching = 0;
    vi.advanceTimersByTime(300);
    expect(invalidated).toEqual([{ queryKey: ['secrets'] }]);
  });

  test('waits longer after a read that took long', async () => {
    newest().emit('open');
    let done = () => {};
    reading = new Promise((resolve) => {
      done = resolve;
    });
    newest().emit('secrets.changed');
    await vi.advanceTimersByTimeAsync(2300);
    done();
    await vi.advanceTimersByTimeAsync(0);
    newest().emit('secrets.changed');
    await vi.advanceTimersByTimeAsync(3900);
    expect(invalidated).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(300);
    expect(invalidated).toHaveLength(2);
  });
});

describe('a stream that breaks', () => {
  test('is opened again with growing pauses, and everything is read anew', () => {
    newest().emit('open');
    expect(stream.getState()).toBe('live');
    newest().emit('error');
    expect(sources[0]?.closed).toBe(true);
    expect(stream.getState()).toBe('down');
    vi.advanceTimersByTime(999);
    expect(sources).toHaveLength(1);
    vi.advanceTimersByTime(1);
    expect(sources).toHaveLength(2);
    newest().emit('error');
    vi.advanceTimersByTime(1999);
    expect(sources).toHaveLength(2);
    vi.advanceTimersByTime(1);
    newest().emit('open');
    expect(stream.getState()).toBe('live');
    vi.advanceTimersByTime(300);
    expect(invalidated).toHaveLength(roots.length);
  });

  test('is replaced by asking every so often', () => {
    newest().emit('error');
    vi.advanceTimersByTime(15_300);
    expect(invalidated).toHaveLength(roots.length);
  });

  test('that is live is not polled', () => {
    newest().emit('open');
    vi.advanceTimersByTime(60_000);
    expect(invalidated).toEqual([]);
  });
});
