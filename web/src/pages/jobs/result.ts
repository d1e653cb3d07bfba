/** A result of a job in facts: pure. Its fields depend on the job and on the agent's release. */
import { version } from '../work/version';

export interface Told {
  name: string;
  kind: 'bytes' | 'seconds' | 'moment' | 'flag' | 'text';
  value: string | number | boolean;
}

const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/;

/** Lists and records within it are left to the whole. */
export function toldOf(result: object): Told[] {
  return Object.entries(result).flatMap(([field, value]: [string, unknown]): Told[] => {
    if (typeof value === 'boolean') return [{ name: nameOf(field), kind: 'flag', value }];
    if (typeof value === 'string') {
      const kind = MOMENT.test(value) ? 'moment' : 'text';
      return value === '' ? [] : [{ name: nameOf(field), kind, value }];
    }
    if (typeof value !== 'number') return [];
    if (field === 'serverVersion') {
      return [{ name: 'PostgreSQL', kind: 'text', value: version(value) ?? value }];
    }
    if (field.endsWith('Bytes')) return [{ name: nameOf(field, 'Bytes'), kind: 'bytes', value }];
    if (field.endsWith('Seconds')) {
      return [{ name: nameOf(field, 'Seconds'), kind: 'seconds', value }];
    }
    const thousandth = ['Milliseconds', 'Millis'].find((unit) => field.endsWith(unit));
    if (thousandth !== undefined) {
      return [{ name: nameOf(field, thousandth), kind: 'seconds', value: value / 1000 }];
    }
    return [{ name: nameOf(field), kind: 'text', value }];
  });
}

/** `Last commit at` of `lastCommitAt`, and what people write in capitals in capitals. */
function nameOf(field: string, unit = ''): string {
  const bare = field.slice(0, field.length - unit.length);
  const told = bare
    .replaceAll(/([a-z])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .replaceAll(/\b(lsn|wal|rto|rpo)\b/g, (short) => short.toUpperCase());
  return told.slice(0, 1).toUpperCase() + told.slice(1);
}
