import { expect, test } from 'vitest';
import type { Cluster } from '../../api/queries/clusters';
import type { Exposure } from '../../api/queries/exposure';
import { byPolicy, fleetRows } from './group';

const exposure = (fleet: string, cluster: string, seconds: number, status: Exposure['status']) =>
  ({ fleet, cluster, exposureSeconds: seconds, rpoSeconds: 30, status }) as Exposure;

test('every fleet that is declared or named, with its verdicts and its worst', () => {
  const declared = [{ metadata: { name: 'shop' } }, { metadata: { name: 'empty' } }] as Cluster[];
  const rows = fleetRows(declared, [
    exposure('shop', 'a', 5, 'COMPLIANT'),
    exposure('shop', 'b', 90, 'VIOLATED'),
    exposure('lost', 'c', 5, 'COMPLIANT'),
  ]);
  expect(rows.map(({ name }) => name)).toEqual(['empty', 'lost', 'shop']);
  expect(rows[1]?.document).toBeUndefined();
  expect(rows[2]).toMatchObject({
    verdicts: { COMPLIANT: 1, VIOLATED: 1 },
    worst: { cluster: 'b' },
  });
});

test('policies by how many they protect; those without one last', () => {
  const of = (policy: string | null) => ({ status: { policy } }) as Cluster;
  expect(byPolicy([of(null), of('a'), of('b'), of('b')])).toEqual([
    ['b', 2],
    ['a', 1],
    [undefined, 1],
  ]);
});
