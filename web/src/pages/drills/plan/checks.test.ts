import { expect, test } from 'vitest';
import { readDraft } from '../../policies/editor/draft';
import { PLAN_SHAPE } from '../../policies/editor/shape';
import { CHECK_KINDS, freshCheck, kindOf, NEW_PLAN } from './checks';

test('a fresh check is of the kind that it was made for', () => {
  expect(CHECK_KINDS.map((kind) => kindOf(freshCheck(kind)))).toEqual([...CHECK_KINDS]);
  expect(kindOf(null)).toBe('sql');
});

test('a new plan has no fault but its missing name', () => {
  expect(readDraft(NEW_PLAN, PLAN_SHAPE).marks).toEqual([]);
  const [mark] = readDraft(`${NEW_PLAN}  crom: x\n`, PLAN_SHAPE).marks;
  expect(mark?.field).toBe('spec.crom');
});
