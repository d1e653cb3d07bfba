/** Scales and ticks of time for pictures: pure, so that they are tested without a browser. */

export interface TimeScale {
  from: number;
  to: number;
  /** Pixels from the left. */
  x: (at: number) => number;
  /** The moment under a pixel, within the scale. */
  at: (x: number) => number;
}

/** Milliseconds to pixels; a scale of no length shows everything at its left. */
export function timeScale(from: number, to: number, width: number): TimeScale {
  const length = to - from;
  return {
    from,
    to,
    x: (at) => (length <= 0 ? 0 : ((at - from) / length) * width),
    at: (x) => from + (width <= 0 ? 0 : Math.min(1, Math.max(0, x / width)) * Math.max(0, length)),
  };
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const STEPS = [
  ...[1, 5, 15, 30].map((count) => count * SECOND),
  ...[1, 5, 15, 30].map((count) => count * MINUTE),
  ...[1, 3, 6, 12].map((count) => count * HOUR),
  ...[1, 2, 7, 14, 28, 91, 364].map((count) => count * DAY),
];

export interface Tick {
  at: number;
  text: string;
  /** A new day begins: it is told with its date. */
  day: boolean;
}

/** At most `most` ticks, on round times of this browser's zone. */
export function timeTicks(from: number, to: number, most: number): Tick[] {
  if (!(to > from) || most < 1) return [];
  const step = STEPS.find((each) => (to - from) / each <= most) ?? 364 * DAY;
  const ticks: Tick[] = [];
  for (let at = firstTick(from, step); at <= to; at = nextTick(at, step)) {
    ticks.push({ at, ...tellTick(at, step) });
  }
  return ticks;
}

/** Days are not all 24 hours long: those with a change of the clock are walked by date. */
function nextTick(at: number, step: number): number {
  if (step < DAY) return at + step;
  const day = new Date(at);
  day.setDate(day.getDate() + Math.round(step / DAY));
  return day.getTime();
}

function firstTick(from: number, step: number): number {
  const midnight = new Date(from);
  midnight.setHours(0, 0, 0, 0);
  const start = midnight.getTime();
  if (step >= DAY) return start >= from ? start : nextTick(start, DAY);
  return start + Math.ceil((from - start) / step) * step;
}

const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');

export function tellTick(at: number, step: number): { text: string; day: boolean } {
  const date = new Date(at);
  const two = (value: number) => String(value).padStart(2, '0');
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}`;
  const day = step >= DAY || clock === '00:00';
  if (day && date.getSeconds() === 0) {
    return { text: `${date.getDate()} ${MONTHS[date.getMonth()] ?? ''}`, day: true };
  }
  return { text: step < MINUTE ? `${clock}:${two(date.getSeconds())}` : clock, day: false };
}
