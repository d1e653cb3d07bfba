import { expect, test } from 'vitest';
import type { Cluster } from '../../api/queries/clusters';
import type { Exposure } from '../../api/queries/exposure';
import { matching, rowsOf } from './rows';

const cluster = (name: string, retired = false): Cluster => ({
  apiVersion: 'holdfast/v1',
  kind: 'Cluster',
  metadata: { name, labels: { tier: 'gold' } },
  spec: {},
  status: {
    retired,
    instances: [],
    policy: 'gold',
    revision: 1,
    createdAt: '2026-02-03T00:00:00Z',
    updatedAt: '2026-02-03T00:00:00Z',
  },
});
const exposure = (name: string, status: NonNullable<Exposure['status']> | null): Exposure => ({
  cluster: name,
  fleet: 'default',
  rpoScope: 'any',
  repositories: [],
  status,
});

test('a verdict is not told before it is known', () => {
  const [row] = rowsOf([cluster('orders')], [], false);
  expect(row?.verdict).toBeUndefined();
  expect(rowsOf([cluster('orders')], [], true)[0]?.verdict).toBe('NONE');
});

test('a retired cluster is retired, whatever it would lose', () => {
  const [row] = rowsOf([cluster('orders', true)], [exposure('orders', 'VIOLATED')], true);
  expect(row?.verdict).toBe('RETIRED');
});

test('name and state filter together', () => {
  const rows = rowsOf(
    [cluster('orders'), cluster('orders-eu'), cluster('mail')],
    [exposure('orders', 'VIOLATED'), exposure('orders-eu', null), exposure('mail', 'VIOLATED')],
    true,
  );
  const names = (search: Parameters<typeof matching>[1]) =>
    matching(rows, search).map(({ name }) => name);
  expect(names({ q: 'ORDERS' })).toEqual(['orders', 'orders-eu']);
  expect(names({ q: 'orders', state: 'VIOLATED' })).toEqual(['orders']);
  expect(names({ state: 'NONE' })).toEqual(['orders-eu']);
});
