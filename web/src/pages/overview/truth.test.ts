import { describe, expect, test } from 'vitest';
import type { Exposure } from '../../api/queries/exposure';
import { asidesOf, proofsOf, sentenceOf, worstOf } from './truth';

const exposure = (cluster: string, exposureSeconds: number | null, rpoSeconds: number | null) =>
  ({ cluster, fleet: 'default', exposureSeconds, rpoSeconds }) as Exposure;

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

test('the worst is by the RPO; who would lose everything is first', () => {
  const all = [
    exposure('idle', 40, null),
    exposure('slow', 900, 3600),
    exposure('fast', 45, 30),
    exposure('b-gone', null, 30),
    exposure('a-gone', null, null),
  ];
  const names = worstOf(all, 4).map(({ cluster }) => cluster);
  expect(names).toEqual(['a-gone', 'b-gone', 'fast', 'slow']);
});

test('proof is counted by what is known of it', () => {
  const proof = (value: unknown) => ({ ...exposure('a', 1, 1), proof: value }) as Exposure;
  const counts = proofsOf([
    proof({ proven: true }),
    proof({ proven: false, because: 'no_drill' }),
    proof(undefined),
  ]);
  expect(counts).toMatchObject({ proven: 1, no_drill: 1, unknown: 1, drill_failed: 0 });
});
