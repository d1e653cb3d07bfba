import { describe, expect, test } from 'vitest';
import { timeScale, timeTicks } from './scale';

const at = (text: string) => new Date(text).getTime();

test('a scale goes there and back, and not beyond its ends', () => {
  const scale = timeScale(1000, 2000, 500);
  expect(scale.x(1500)).toBe(250);
  expect(scale.at(250)).toBe(1500);
  expect(scale.at(-20)).toBe(1000);
  expect(scale.at(900)).toBe(2000);
  expect(timeScale(5, 5, 100).x(5)).toBe(0);
  expect(timeScale(0, 10, 0).at(3)).toBe(0);
});

describe('ticks', () => {
  test('are on round times, and tell the date where a day begins', () => {
    const ticks = timeTicks(at('2026-02-03T22:10:00'), at('2026-02-04T02:20:00'), 6);
    expect(ticks.map(({ text }) => text)).toEqual(['23:00', '4 Feb', '01:00', '02:00']);
    expect(ticks.map(({ day }) => day)).toEqual([false, true, false, false]);
  });

  test('of days are midnights, also where the clock is changed', () => {
    const ticks = timeTicks(at('2026-03-27T12:00:00'), at('2026-03-31T12:00:00'), 5);
    expect(ticks.map(({ text }) => text)).toEqual(['28 Mar', '29 Mar', '30 Mar', '31 Mar']);
    expect(ticks.map((tick) => new Date(tick.at).getHours())).toEqual([0, 0, 0, 0]);
  });

  test('are never more than asked for', () => {
    for (const days of [0.001, 0.1, 1, 9, 100, 3000]) {
      const from = at('2026-01-01T00:00:01');
      expect(timeTicks(from, from + days * 86_400_000, 8).length).toBeLessThanOrEqual(9);
    }
    expect(timeTicks(5, 5, 8)).toEqual([]);
  });
});
