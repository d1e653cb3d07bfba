/** Times and durations as people read them. Nothing here reads a clock. */

const SECOND = 1;
const MINUTE = 60;
const HOUR = 3600;
const DAY = 86_400;

const UNITS = [
  { unit: 'd', seconds: DAY },
  { unit: 'h', seconds: HOUR },
  { unit: 'min', seconds: MINUTE },
  { unit: 's', seconds: SECOND },
] as const;

/** `42 s`, `3 min 05 s`, `2 h 10 min`, `4 d 3 h`: two units at most, rounded down. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '–';
  const sign = seconds < 0 ? '−' : '';
  const size = Math.abs(seconds);
  if (size === 0) return '0 s';
  if (size < 0.1) return '< 0.1 s';
  if (size < 10 && !Number.isInteger(size))
    return `${sign}${(Math.floor(size * 10) / 10).toFixed(1)} s`;
  const first = UNITS.findIndex(({ seconds: of }) => size >= of);
  const big = UNITS[first];
  if (big === undefined) return `${sign}0 s`;
  const count = Math.floor(size / big.seconds);
  const small = UNITS[first + 1];
  if (small === undefined) return `${sign}${count} ${big.unit}`;
  const rest = Math.floor((size % big.seconds) / small.seconds);
  if (rest === 0) return `${sign}${count} ${big.unit}`;
  return `${sign}${count} ${big.unit} ${String(rest).padStart(2, '0')} ${small.unit}`;
}

/** `3 min ago`, `in 2 h`, `just now`: one unit, rounded down. */
export function formatAge(at: number, now: number): string {
  const seconds = (now - at) / 1000;
  const size = Math.abs(seconds);
  if (size < 1) return 'just now';
  const found = UNITS.find(({ seconds: of }) => size >= of) ?? UNITS[3];
  const told = `${Math.floor(size / found.seconds)} ${found.unit}`;
  return seconds > 0 ? `${told} ago` : `in ${told}`;
}

/** `2026-02-03 02:41:07`, in this browser's zone. */
export function formatLocal(at: Date): string {
  const two = (value: number) => String(value).padStart(2, '0');
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day} ${formatClock(at)}`;
}

/** `02:41:07`, in this browser's zone. */
export function formatClock(at: Date): string {
  const two = (value: number) => String(value).padStart(2, '0');
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/** `2026-02-03 01:41:07 UTC`. */
export function formatUtc(at: Date): string {
  return `${at.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/** The zone of this browser with its offset then: `Europe/Berlin, UTC+01:00`. */
export function zoneOf(at: Date): string {
  return `${Intl.DateTimeFormat().resolvedOptions().timeZone}, ${offsetOf(at)}`;
}

/** `UTC+01:00`: how far this browser's zone is from UTC then. */
export function offsetOf(at: Date): string {
  const minutes = -at.getTimezoneOffset();
  const sign = minutes < 0 ? '−' : '+';
  const size = Math.abs(minutes);
  const two = (value: number) => String(value).padStart(2, '0');
  return `UTC${sign}${two(Math.floor(size / 60))}:${two(size % 60)}`;
}

/**
 * `2026-02-03 02:41:07` of this browser's zone, or of UTC or an offset where one follows, as
 * logs have it. Undefined for what is no moment, such as the 31st of February.
 */
export function parseMoment(text: string): Date | undefined {
  const found =
    /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d)?(?:\.\d+)?)? ?(Z|UTC|[+-]\d\d:\d\d)?$/i.exec(
      text.trim(),
    );
  if (found === null) return undefined;
  const [, day = '', clock = '00:00', second = ':00', zone = ''] = found;
  const local = `${day}T${clock}${second}`;
  const inUtc = new Date(`${local}Z`);
  if (Number.isNaN(inUtc.getTime()) || !inUtc.toISOString().startsWith(local)) return undefined;
  return new Date(`${local}${zone.toUpperCase().replace('UTC', 'Z')}`);
}

/** Seconds of `30s`, `1h30m` is none: the product's durations have one unit. */
export function parseDuration(text: string): number | undefined {
  const found = /^(\d+)(ms|s|m|h|d|w)$/.exec(text.trim());
  if (found === null) return undefined;
  const unit = { ms: 0.001, s: SECOND, m: MINUTE, h: HOUR, d: DAY, w: 7 * DAY }[found[2] ?? ''];
  return unit === undefined ? undefined : Number(found[1]) * unit;
}
