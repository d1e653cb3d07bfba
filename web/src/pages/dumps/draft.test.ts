import { expect, test } from 'vitest';
import { commandOf, databasesOf, requestOf, restoredOf, wrongIn } from './draft';

const least = { cluster: 'orders', database: 'shop', into: 'shop_yesterday' };

test('what is not said is left to the control plane', () => {
  expect(requestOf(least)).toEqual(least);
  expect(commandOf(least)).toBe(
    'holdfast restore dump orders \\\n  --database shop \\\n  --into shop_yesterday \\\n  --wait',
  );
});

test('all that can be said is in the request and in the command', () => {
  const draft = {
    ...least,
    into: 'my shop',
    backup: 'bkp_1',
    to: 'staging',
    owner: 'app',
    noPrivileges: true,
    jobs: 4,
  };
  expect(requestOf(draft)).toEqual({
    cluster: 'orders',
    backup: 'bkp_1',
    database: 'shop',
    into: 'my shop',
    toCluster: 'staging',
    owner: 'app',
    noPrivileges: true,
    jobs: 4,
  });
  expect(commandOf(draft)).toContain("--into 'my shop'");
  expect(commandOf(draft)).toContain('--to-cluster staging');
  expect(commandOf(draft)).toContain('--no-privileges');
  // To the cluster itself needs no saying.
  expect(requestOf({ ...least, to: 'orders' })).toEqual(least);
});

test('what is missing is said by field', () => {
  expect(Object.keys(wrongIn({}))).toEqual(['cluster', 'database', 'into']);
  expect(wrongIn(least)).toEqual({});
  expect(wrongIn({ ...least, into: 'ü'.repeat(32) })).toHaveProperty('into');
  expect(wrongIn({ ...least, jobs: 65 })).toHaveProperty('jobs');
});

test('the databases of a dump are those that its job tells of', () => {
  const databases = [{ database: 'shop', bytes: 10, objects: 6, snapshotAt: 't' }, 'broken', {}];
  expect(databasesOf({ databases })).toEqual([
    { database: 'shop', bytes: 10, objects: 6, snapshotAt: 't' },
  ]);
  expect(databasesOf(null)).toEqual([]);
  expect(databasesOf({ files: 3 })).toEqual([]);
});

test('a restore of a dump is known by its result', () => {
  expect(restoredOf({ dir: '/srv', port: 5433 })).toBeUndefined();
  expect(restoredOf({ database: 'shop', into: 'copy', cluster: 'orders' })).toMatchObject({
    into: 'copy',
    cluster: 'orders',
    objects: undefined,
  });
});
