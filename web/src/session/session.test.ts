import { beforeEach, describe, expect, test, vi } from 'vitest';
import { SessionKeeper, type SessionEvent, type Surroundings } from './session';

const START = Date.parse('2026-02-03T02:00:00Z');
const at = (minutes: number) => new Date(START + minutes * 60_000).toISOString();

/** A browser: storage and a lock that its tabs share, and a server that renews. */
class Browser {
  now = START;
  stored = new Map<string, string>();
  asked: { what: string; body?: unknown }[] = [];
  answers: (() => Response | Promise<Response>)[] = [];
  tabs: SessionKeeper[] = [];
  timers: { work: () => void; at: number }[] = [];
  private locked: Promise<unknown> = Promise.resolve();

  tab(): { keeper: SessionKeeper; events: SessionEvent[] } {
    const around: Surroundings = {
      fetch: (path, init) => {
        const body = init.body === undefined ? {} : { body: JSON.parse(String(init.body)) };
        this.asked.push({ what: `${init.method ?? 'GET'} ${path}`, ...body });
        const answer = this.answers.shift();
        if (answer === undefined) return Promise.reject(new TypeError('offline'));
        return Promise.resolve(answer());
      },
      now: () => this.now,
      storage: {
        getItem: (key) => this.stored.get(key) ?? null,
        setItem: (key, value) => void this.stored.set(key, value),
        removeItem: (key) => void this.stored.delete(key),
      },
      alone: (work) => {
        const mine = this.locked.then(work);
        this.locked = mine.catch(() => undefined);
        return mine;
      },
      tell: (event) => {
        for (const other of this.tabs) if (other !== keeper) other.heard(event);
      },
      schedule: (work, milliseconds) => {
        const timer = { work, at: this.now + milliseconds };
        this.timers.push(timer);
        return () => {
          this.timers = this.timers.filter((each) => each !== timer);
        };
      },
    };
    const keeper = new SessionKeeper(around);
    this.tabs.push(keeper);
    const events: SessionEvent[] = [];
    keeper.listen((event) => events.push(event));
    return { keeper, events };
  }

  will(status: number, body: object): void {
    this.answers.push(() => Response.json(body, { status }));
  }

  renews(minutes: number): void {
    this.will(200, { user: 'ada', expiresAt: at(minutes) });
  }
}

let browser: Browser;
beforeEach(() => {
  browser = new Browser();
});

async function loggedIn(): Promise<ReturnType<Browser['tab']>> {
  const tab = browser.tab();
  browser.renews(15);
  await tab.keeper.login('ada', 'secret');
  return tab;
}

describe('a login', () => {
  test('asks for cookies, and keeps name and end but no secret', async () => {
    const { keeper, events } = await loggedIn();
    expect(browser.asked).toEqual([
      { what: 'POST /api/v1/auth/session', body: { user: 'ada', password: 'secret' } },
    ]);
    expect(keeper.current()).toEqual({ user: 'ada', expiresAt: at(15) });
    expect(events.map(({ kind }) => kind)).toEqual(['began']);
    expect([...browser.stored.values()].join(' ')).not.toContain('secret');
  });

  test('that is refused says why, and begins nothing', async () => {
    const { keeper, events } = browser.tab();
    browser.will(401, { code: 'bad_credentials', message: 'no', hint: 'again' });
    await expect(keeper.login('ada', 'wrong')).rejects.toMatchObject({ code: 'bad_credentials' });
    expect(keeper.current()).toBeUndefined();
    expect(events).toEqual([]);
  });
});

describe('a renewal', () => {
  test('is planned shortly before the end, and plans the next', async () => {
    await loggedIn();
    expect(browser.timers.map(({ at: due }) => due)).toEqual([START + 14 * 60_000]);
    browser.renews(30);
    browser.timers[0]?.work();
    await vi.waitFor(() => expect(browser.timers[0]?.at).toBe(START + 29 * 60_000));
    expect(browser.asked[1]).toEqual({ what: 'POST /api/v1/auth/session/renew' });
  });

  test('is one for all who wait for it', async () => {
    const { keeper } = await loggedIn();
    browser.renews(30);
    await Promise.all([keeper.renew(), keeper.renew(), keeper.renew()]);
    expect(browser.asked).toHaveLength(2);
  });

  test('of one tab serves the others', async () => {
    const first = await loggedIn();
    const second = browser.tab();
    browser.renews(30);
    await Promise.all([first.keeper.renew(), second.keeper.renew()]);
    expect(browser.asked).toHaveLength(2);
    expect(second.events.map(({ kind }) => kind)).toEqual(['renewed']);
    expect(second.keeper.current()?.expiresAt).toBe(at(30));
  });

  test('that is refused ends the session in all tabs', async () => {
    const first = await loggedIn();
    const second = browser.tab();
    browser.will(401, { code: 'unauthenticated', message: 'over', hint: 'log in' });
    await expect(first.keeper.renew()).rejects.toMatchObject({ status: 401 });
    expect(first.events.at(-1)).toEqual({ kind: 'ended' });
    expect(second.events.at(-1)).toEqual({ kind: 'ended' });
    expect(second.keeper.current()).toBeUndefined();
    expect(browser.timers).toEqual([]);
  });

  test('that gets no answer ends nothing, and is tried again', async () => {
    const { keeper, events } = await loggedIn();
    browser.timers[0]?.work();
    await vi.waitFor(() => expect(browser.asked).toHaveLength(2));
    await vi.waitFor(() => expect(browser.timers.at(-1)?.at).toBe(START + 10_000));
    expect(keeper.current()).toBeDefined();
    expect(events.map(({ kind }) => kind)).toEqual(['began']);
  });
});

describe('a logout', () => {
  test('everywhere says so, and ends the session in all tabs', async () => {
    const first = await loggedIn();
    const second = browser.tab();
    browser.will(200, { loggedOut: true });
    await first.keeper.logout(true);
    expect(browser.asked[1]).toEqual({ what: 'DELETE /api/v1/auth/session?everywhere=true' });
    expect(second.events.at(-1)).toEqual({ kind: 'ended' });
  });

  test('that failed leaves the session as it was', async () => {
    const { keeper } = await loggedIn();
    await expect(keeper.logout(false)).rejects.toMatchObject({ code: 'unreachable' });
    expect(keeper.current()).toBeDefined();
  });
});
