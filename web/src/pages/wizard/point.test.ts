import { describe, expect, test } from 'vitest';
import { hasEdge, readPoint, tellPoint, writePoint, wrongWith } from './point';

const BACKUP = `bkp_${'0a'.repeat(16)}`;

describe('a point', () => {
  test.each([
    'latest',
    'immediate',
    '2026-02-03T02:41:07.123456Z',
    'lsn:16/B374D848',
    'name:before-migration',
    'name:a:b',
    'xid:1234',
    `backup:${BACKUP}`,
  ])('"%s" is read and written the same', (at) => {
    expect(writePoint(readPoint(at))).toBe(at);
    expect(wrongWith(at)).toBeUndefined();
  });

  test.each([undefined, '', 'yesterday', 'lsn:', 'lsn:zz', 'xid:-1', 'name:', 'backup:bkp_1'])(
    '"%s" cannot be asked for',
    (at) => expect(wrongWith(at)).toEqual(expect.any(String)),
  );

  test('of time is told in the zone here', () => {
    expect(tellPoint('2026-02-03T02:41:07Z')).toBe('2026-02-03 03:41:07');
    expect(tellPoint('latest')).toBe('latest');
    expect(tellPoint('lsn:1/2')).toBe('lsn:1/2');
  });

  test('has an edge where there is a before', () => {
    expect(['time', 'lsn', 'xid', 'name'].every((kind) => hasEdge(kind as 'time'))).toBe(true);
    expect(hasEdge('latest')).toBe(false);
    expect(hasEdge('backup')).toBe(false);
  });
});
