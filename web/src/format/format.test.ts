import { describe, expect, test } from 'vitest';
import { formatLsn, lsnDistance, parseLsn } from './lsn';
import { formatBytes, formatPercent } from './size';
import { saidHere } from './said';
import {
  formatAge,
  formatDuration,
  formatLocal,
  formatUtc,
  parseDuration,
  parseMoment,
  zoneOf,
} from './time';

describe('durations', () => {
  test.each([
    [0, '0 s'],
    [0.04, '< 0.1 s'],
    [0.14, '0.1 s'],
    [0.99, '0.9 s'],
    [4.29, '4.2 s'],
    [42, '42 s'],
    [59.9, '59 s'],
    [60, '1 min'],
    [185, '3 min 05 s'],
    [7200, '2 h'],
    [7859, '2 h 10 min'],
    [4 * 86_400 + 3 * 3600, '4 d 03 h'],
    [-90, '−1 min 30 s'],
    [Number.NaN, '–'],
  ])('%d is %s', (seconds, said) => expect(formatDuration(seconds)).toBe(said));

  test.each([
    ['30s', 30],
    ['250ms', 0.25],
    ['2w', 1_209_600],
    ['1h30m', undefined],
    ['-5s', undefined],
    ['', undefined],
  ])('"%s" is read as %s', (text, seconds) => expect(parseDuration(text)).toBe(seconds));
});

describe('moments', () => {
  const now = Date.parse('2026-02-03T02:41:07Z');
  test.each([
    [0, 'just now'],
    [-3_000, '3 s ago'],
    [-3_599_000, '59 min ago'],
    [-90_000_000, '1 d ago'],
    [7_200_000, 'in 2 h'],
  ])('%d ms from now is %s', (shift, said) => expect(formatAge(now + shift, now)).toBe(said));

  test('are told in the zone here, and in UTC', () => {
    const winter = new Date(now);
    expect(formatLocal(winter)).toBe('2026-02-03 03:41:07');
    expect(formatUtc(winter)).toBe('2026-02-03 02:41:07 UTC');
    expect(zoneOf(winter)).toBe('Europe/Berlin, UTC+01:00');
    expect(zoneOf(new Date('2026-07-01T00:00:00Z'))).toBe('Europe/Berlin, UTC+02:00');
  });
});

describe('sizes', () => {
  test.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [1_048_575, '1.0 MiB'],
    [415_236_096, '396.0 MiB'],
    [2 ** 60, '1024.0 PiB'],
  ])('%d is %s', (bytes, said) => expect(formatBytes(bytes)).toBe(said));

  test('of less than all are never told as all', () => {
    expect(formatPercent(0.999_999)).toBe('99.99 %');
    expect(formatPercent(1)).toBe('100 %');
  });
});

describe('positions in WAL', () => {
  test('are read and written as PostgreSQL does', () => {
    expect(parseLsn('16/B374D848')).toBe(0x16b374d848n);
    expect(formatLsn(0x16b374d848n)).toBe('16/B374D848');
    expect(formatLsn(0n)).toBe('0/0');
  });
  test.each(['', '16', '16/', '1/1/1', 'x/1', '1/123456789'])('"%s" is none', (text) =>
    expect(parseLsn(text)).toBeUndefined(),
  );
  test('have a distance', () => {
    expect(lsnDistance('0/FFFFFFFF', '1/0')).toBe(1);
    expect(lsnDistance('0/0', 'x')).toBeUndefined();
  });
});

test('moments in a sentence are local', () => {
  const at = new Date(2026, 1, 3, 2, 41, 7);
  expect(saidHere(`heard of last at ${at.toISOString()}, once`)).toBe(
    'heard of last at 2026-02-03 02:41:07, once',
  );
  expect(saidHere('no 2026-02-03 in it')).toBe('no 2026-02-03 in it');
});

test('moments are read as people and logs write them', () => {
  const local = new Date(2026, 1, 3, 2, 41, 7);
  const minute = new Date(2026, 1, 3, 2, 41);
  expect(parseMoment(' 2026-02-03 02:41:07 ')).toEqual(local);
  expect(parseMoment('2026-02-03T02:41')).toEqual(minute);
  expect(parseMoment('2026-02-03')).toEqual(new Date(2026, 1, 3));
  expect(parseMoment('2026-02-03 02:41:07.12 UTC')).toEqual(new Date('2026-02-03T02:41:07Z'));
  expect(parseMoment('2026-02-03T02:41:07+02:00')).toEqual(new Date('2026-02-03T00:41:07Z'));
});

test.each(['', 'now', '2026-02-31', '2026-13-01', '2026-02-03 24:01', '02/03/2026'])(
  '%j is no moment',
  (text) => expect(parseMoment(text)).toBeUndefined(),
);
