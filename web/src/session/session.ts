/**
 * The session of this browser: who is logged in and until when. The tokens
 * themselves are in HttpOnly cookies that no script can read; what is kept here
 * (name and end) is shared by tabs so that one of them renews for all.
 *
 * Guarantees: at most one renewal is under way in a browser; one that another tab
 * has just done is not done again; a session that is over is told once, to all tabs.
 */
import { z } from 'zod';
import { errorOfResponse, ownError } from '../api/problem';
import { words } from '../words';

const answer = z.object({ user: z.string(), expiresAt: z.iso.datetime({ offset: true }) });
export type Session = z.infer<typeof answer>;

export type SessionEvent =
  { kind: 'began'; session: Session } | { kind: 'renewed'; session: Session } | { kind: 'ended' };

/** What the session needs of a browser; tests give their own. */
export interface Surroundings {
  fetch: (input: string, init: RequestInit) => Promise<Response>;
  now: () => number;
  storage: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;
  /** Runs `work` while no other tab runs one. */
  alone: (work: () => Promise<void>) => Promise<void>;
  tell: (event: SessionEvent) => void;
  schedule: (work: () => void, milliseconds: number) => () => void;
}

const STORED = 'holdfast.session';
/** So long before its end a session is renewed; less when it is short. */
const EARLY_MILLISECONDS = 60_000;
const RETRY_MILLISECONDS = 10_000;

export class SessionKeeper {
  private renewal: Promise<void> | undefined;
  private cancelTimer: (() => void) | undefined;
  private readonly listeners = new Set<(event: SessionEvent) => void>();

  constructor(private readonly around: Surroundings) {}

  /** What is known of the session; it may have ended elsewhere meanwhile. */
  current(): Session | undefined {
    const stored = this.around.storage.getItem(STORED);
    if (stored === null) return undefined;
    try {
      return answer.parse(JSON.parse(stored));
    } catch {
      return undefined;
    }
  }

  listen(listener: (event: SessionEvent) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  async login(user: string, password: string): Promise<void> {
    const session = await this.read(await this.send('POST', '', { user, password }));
    this.keep(session);
    this.announce({ kind: 'began', session });
  }

  /** Ends this session, or all of this user. */
  async logout(everywhere: boolean): Promise<void> {
    const response = await this.send('DELETE', everywhere ? '?everywhere=true' : '');
    // A session that is over already needs no end.
    if (!response.ok && response.status !== 401) throw await errorOfResponse(response);
    this.end();
  }

  /** Renews the session, or waits for the renewal that is under way. */
  renew(): Promise<void> {
    const known = this.current()?.expiresAt;
    this.renewal ??= this.around
      .alone(() => this.renewUnlessDone(known))
      .finally(() => {
        this.renewal = undefined;
      });
    return this.renewal;
  }

  /** Plans the next renewal; call it once at the start and after waking up. */
  watch(): void {
    this.cancelTimer?.();
    const session = this.current();
    if (session === undefined) return;
    const left = Date.parse(session.expiresAt) - this.around.now();
    const wait = Math.max(0, left - Math.min(EARLY_MILLISECONDS, Math.max(0, left) / 5));
    this.planRenewal(wait);
  }

  /** Takes in what another tab told. */
  heard(event: SessionEvent): void {
    if (event.kind === 'ended') this.cancelTimer?.();
    else this.watch();
    this.notify(event);
  }

  private planRenewal(wait: number): void {
    this.cancelTimer = this.around.schedule(() => {
      this.renew().catch((error: unknown) => {
        // A session that is over is not asked for again; a node that is away is.
        if (this.current() !== undefined) this.planRenewal(RETRY_MILLISECONDS);
        return error;
      });
    }, wait);
  }

  private async renewUnlessDone(known: string | undefined): Promise<void> {
    const before = this.current();
    if (before !== undefined && before.expiresAt !== known) return;
    const response = await this.send('POST', '/renew');
    if (response.status === 401 || response.status === 403) {
      const error = await errorOfResponse(response);
      this.end();
      throw error;
    }
    const session = await this.read(response);
    this.keep(session);
    this.announce({ kind: 'renewed', session });
  }

  private end(): void {
    this.cancelTimer?.();
    this.around.storage.removeItem(STORED);
    this.announce({ kind: 'ended' });
  }

  private keep(session: Session): void {
    this.around.storage.setItem(STORED, JSON.stringify(session));
    this.watch();
  }

  private announce(event: SessionEvent): void {
    this.around.tell(event);
    this.notify(event);
  }

  private notify(event: SessionEvent): void {
    for (const listener of this.listeners) listener(event);
  }

  private async read(response: Response): Promise<Session> {
    if (!response.ok) throw await errorOfResponse(response);
    const parsed = answer.safeParse(await response.json().catch(() => undefined));
    if (!parsed.success) {
      const { message, hint } = words.errors.unreadableAnswer;
      throw ownError('unreadable_answer', message, hint, response.status);
    }
    return parsed.data;
  }

  private async send(method: 'POST' | 'DELETE', rest: string, body?: object): Promise<Response> {
    try {
      return await this.around.fetch(`/api/v1/auth/session${rest}`, {
        method,
        credentials: 'same-origin',
        ...(body !== undefined && {
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(body),
        }),
      });
    } catch {
      const { message, hint } = words.errors.unreachable;
      throw ownError('unreachable', message, hint);
    }
  }
}
