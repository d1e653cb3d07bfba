import { expect, test } from 'vitest';
import { rank } from './rank';

test('the beginning comes before a word’s, before the middle, before scattered letters', () => {
  const things = ['xorders', 'eu-orders', 'o-r-d-e-r-s', 'orders', 'invoices'];
  expect(rank('Orders', things, (thing) => thing)).toEqual([
    'orders',
    'eu-orders',
    'xorders',
    'o-r-d-e-r-s',
  ]);
});

test('nothing typed leaves all in order', () => {
  expect(rank('', ['b', 'a'], (thing) => thing)).toEqual(['b', 'a']);
});
