import { expect, test } from 'vitest';
import type { Cluster } from '../../../api/queries/clusters';
import { readKeys, readLabels, relabelled } from './labels';

const cluster = (name: string, labels: Record<string, string>) =>
  ({
    apiVersion: 'holdfast/v1',
    kind: 'Cluster',
    metadata: { name, labels },
    spec: { instances: [] },
  }) as unknown as Cluster;

test('labels are read as people type them', () => {
  expect(readLabels('tier=gold, team=a  x=')).toEqual({ tier: 'gold', team: 'a', x: '' });
  expect(readLabels('')).toEqual({});
  expect(readLabels('gold')).toBeUndefined();
  expect(readKeys(' tier, team ')).toEqual(['tier', 'team']);
});

test('only what changes is written, and the rest of a document stays', () => {
  const clusters = [cluster('a', { tier: 'silver', team: 'x' }), cluster('b', { tier: 'gold' })];
  expect(relabelled(clusters, { tier: 'gold' }, [])).toEqual([
    {
      apiVersion: 'holdfast/v1',
      kind: 'Cluster',
      metadata: { name: 'a', labels: { tier: 'gold', team: 'x' } },
      spec: { instances: [] },
    },
  ]);
  expect(relabelled(clusters, {}, ['team'])).toMatchObject([
    { metadata: { name: 'a', labels: { tier: 'silver' } } },
  ]);
  // What is taken away and set again is set.
  expect(relabelled(clusters, { tier: 'gold' }, ['tier'])).toHaveLength(1);
});
