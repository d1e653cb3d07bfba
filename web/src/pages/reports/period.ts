/** Periods of reports: whole days in UTC, as the command line takes them. */
export const PERIODS = ['30d', 'month', 'quarter', 'own'] as const;
export type PeriodName = (typeof PERIODS)[number];

export interface Period {
  from: string;
  /** Undefined: as late as is known well. */
  to: string | undefined;
}

const DAY = 86_400_000;

export function periodOf(name: Exclude<PeriodName, 'own'>, now: number): Period {
  const at = new Date(now);
  const [year, month] = [at.getUTCFullYear(), at.getUTCMonth()];
  const first = (y: number, m: number) => new Date(Date.UTC(y, m, 1)).toISOString();
  switch (name) {
    case '30d':
      return {
        from: new Date(Math.floor((now - 30 * DAY) / 1000) * 1000).toISOString(),
        to: undefined,
      };
    case 'month':
      return { from: first(year, month - 1), to: first(year, month) };
    case 'quarter': {
      const start = Math.floor(month / 3) * 3;
      return { from: first(year, start - 3), to: first(year, start) };
    }
  }
}

/** A day of the form as its first moment; undefined when it is none. */
export function dayOf(day: string): string | undefined {
  const at = Date.parse(`${day}T00:00:00Z`);
  return Number.isNaN(at) ? undefined : new Date(at).toISOString();
}

/** RFC 3339 without what is zero anyway, for commands. */
export function shortTime(at: string): string {
  return at.replace(/T00:00:00(\.0+)?Z$/, '').replace(/\.000Z$/, 'Z');
}
