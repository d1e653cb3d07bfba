import { describe, expect, test } from 'vitest';
import { asidesOf, heightOf, sentenceOf } from './truth';

describe('the sentence', () => {
  test('says how many could lose too much', () => {
    expect(sentenceOf({ VIOLATED: 3, COMPLIANT: 409 }, 412)).toBe(
      '3 of 412 clusters could lose more than their RPO now',
    );
    expect(sentenceOf({ VIOLATED: 1, COMPLIANT: 411 }, 412)).toContain('lose more than its RPO');
    expect(sentenceOf({ COMPLIANT: 412 }, 412)).toBe(
      'None of 412 clusters could lose more than its RPO now',
    );
  });

  test('does not call well what nobody judged', () => {
    expect(sentenceOf({ UNPROTECTED: 2 }, 2)).toBe('None of 2 clusters has an RPO yet');
    expect(sentenceOf({}, 1)).toBe('The only cluster has no RPO yet');
  });

  test('is followed by what it would hide', () => {
    const asides = asidesOf({ UNKNOWN: 2, UNPROTECTED: 1, COMPLIANT: 4 }, 1);
    expect(asides.map(({ text }) => text)).toEqual([
      '1 has no protection',
      'of 2 it is not known',
      '1 server was found that nobody declared',
    ]);
  });
});

test('what would be lost is measured by what may be', () => {
  expect(heightOf({ exposureSeconds: 45, rpoSeconds: 30 })).toBe(1.5);
  expect(heightOf({ exposureSeconds: 1, rpoSeconds: 0 })).toBe(1000);
  // Nothing could be restored.
  expect(heightOf({ exposureSeconds: null, rpoSeconds: 30 })).toBe(Number.POSITIVE_INFINITY);
  // Without an RPO nothing is too much.
  expect(heightOf({ exposureSeconds: 86_400, rpoSeconds: null })).toBeLessThan(1);
});
