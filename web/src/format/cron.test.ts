import { expect, test } from 'vitest';
import { cronSaid, cronWords } from './cron';

test.each([
  ['30 2 * * *', 'every day at 02:30'],
  ['0 1 * * 0', 'Sunday at 01:00'],
  ['0 1 * * 1-6', 'Monday to Saturday at 01:00'],
  ['0 1 * * mon,7', 'Monday, Sunday at 01:00'],
  ['15 * * * *', 'every hour at :15'],
  ['0 */6 * * *', 'every 6 hours at :00'],
  ['*/10 * * * *', 'every 10 minutes'],
  ['0 4 1 * *', 'day 1 of each month at 04:00'],
])('%s is %s', (line, told) => expect(cronWords(line)).toBe(told));

test.each(['0 1 1 * 0', '0 1 * 6 *', '0,30 1 * * *', '0 1 * * 1#2', '@daily', '', '0 25 * * *'])(
  '%j is left as it is',
  (line) => expect(cronWords(line)).toBeUndefined(),
);

test('a contract has words for what it quotes', () => {
  expect(cronSaid('proven by weekly (at "0 6 * * 1" UTC, of the latest point).')).toBe(
    'proven by weekly (Monday at 06:00 UTC, of the latest point).',
  );
  expect(cronSaid('proven by "gold" (at "0 6 1 6 1" UTC)')).toBe(
    'proven by "gold" (at "0 6 1 6 1" UTC)',
  );
});
