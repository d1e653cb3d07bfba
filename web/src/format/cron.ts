/** Lines of cron in words, where they are simple enough for words. */
import { words } from '../words';

const text = words.cron;
const two = (value: string) => value.padStart(2, '0');

/** `Sunday at 01:00` of `0 1 * * 0`; undefined where only the line itself is exact. */
export function cronWords(line: string): string | undefined {
  const fields = line.trim().split(/\s+/);
  const [minute = '', hour = '', day = '', month = '', weekday = ''] = fields;
  if (fields.length !== 5 || month !== '*') return undefined;
  const daily = day === '*' && weekday === '*';
  const step = /^\*\/(\d+)$/;
  if (daily && hour === '*') {
    const every = step.exec(minute)?.[1];
    if (every !== undefined) return text.everyMinutes(Number(every));
    return isNumber(minute, 59) ? text.everyHour(two(minute)) : undefined;
  }
  if (!isNumber(minute, 59)) return undefined;
  const hours = step.exec(hour)?.[1];
  if (daily && hours !== undefined) return text.everyHours(Number(hours), two(minute));
  if (!isNumber(hour, 23)) return undefined;
  const time = `${two(hour)}:${two(minute)}`;
  if (daily) return text.everyDay(time);
  if (weekday === '*') return isNumber(day, 31) ? text.dayOfMonth(day, time) : undefined;
  const days = day === '*' ? daysOf(weekday) : undefined;
  return days === undefined ? undefined : text.onDays(days, time);
}

/** A sentence of the control plane with its lines of cron, which it quotes, in words. */
export function cronSaid(sentence: string): string {
  return sentence.replaceAll(
    /(?:\bat )?"([\d*/,-]+(?: [\w*/,-]+){4})"/g,
    (quoted, line: string) => {
      return cronWords(line) ?? quoted;
    },
  );
}

function isNumber(field: string, most: number): boolean {
  return /^\d{1,2}$/.test(field) && Number(field) <= most;
}

/** `Monday to Saturday` of `1-6`; both 0 and 7 are Sunday. */
function daysOf(field: string): string | undefined {
  const parts = field.split(',').map((part) => {
    const names = part.split('-').map((one) => text.days[one.slice(0, 3).toLowerCase()]);
    const [from, to, ...rest] = names;
    if (from === undefined || rest.length > 0 || names.includes(undefined)) return undefined;
    return to === undefined ? from : text.fromTo(from, to);
  });
  return parts.includes(undefined) ? undefined : parts.join(', ');
}
