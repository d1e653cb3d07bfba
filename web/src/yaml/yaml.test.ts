import { describe, expect, test } from 'vitest';
import { diffLines, hunksOf } from './diff';
import { partsOf } from './highlight';
import { list, map, open, unknownFields, value } from './shape';
import { readPath, readYaml, valueAt, withValue, writePath } from './twin';

const WORDS = { notOne: 'one', notMap: 'map' };
const TEXT = `# why: the shop
spec:
  selector: {}
  schedules:
    - name: nightly # after the batch
      cron: "0 2 * * *"
    - name: hourly
      every: 1h
`;

describe('a document that a form edits too', () => {
  test('keeps its comments and its order', () => {
    const next = withValue(TEXT, ['spec', 'schedules', 0, 'window'], '4h');
    expect(next).toBe(TEXT.replace('* * *"\n', '* * *"\n      window: 4h\n'));
  });

  test('is written in lines where it was {}', () => {
    const next = withValue(TEXT, ['spec', 'selector'], { tier: 'gold' });
    expect(next).toContain('selector:\n    tier: gold\n');
    const one = withValue(TEXT, ['spec', 'selector', 'tier'], 'gold');
    expect(one).toBe(next);
  });

  test('loses with a value what is then empty, but not what says something empty', () => {
    const given = 'spec:\n  selector:\n    a: b\n  retention:\n    keep:\n      last: 2\n';
    expect(withValue(given, ['spec', 'retention', 'keep', 'last'], undefined)).toBe(
      'spec:\n  selector:\n    a: b\n',
    );
    const bare = withValue(given, ['spec', 'selector', 'a'], undefined, ['spec.selector']);
    expect(valueAt(readYaml(bare, WORDS).value, ['spec', 'selector'])).toEqual({});
  });

  test('takes a new item at the end of a list, also of one that is not there', () => {
    const more = withValue(TEXT, ['spec', 'schedules', 2], { name: 'third' });
    const found = valueAt(readYaml(more, WORDS).value, ['spec', 'schedules', 2, 'name']);
    expect(found).toBe('third');
    const first = withValue('spec: {}\n', ['spec', 'copies', 0], { repository: 'us' });
    expect(valueAt(readYaml(first, WORDS).value, ['spec', 'copies'])).toEqual([
      { repository: 'us' },
    ]);
  });

  test('takes an item out of the middle', () => {
    const less = withValue(TEXT, ['spec', 'schedules', 0], undefined);
    expect(valueAt(readYaml(less, WORDS).value, ['spec', 'schedules'])).toEqual([
      { name: 'hourly', every: '1h' },
    ]);
  });
});

describe('faults', () => {
  test('are told with their line', () => {
    const { faults, value: read } = readYaml('a: 1\nb: [1\nc: 2\n', WORDS);
    expect(read).toBeUndefined();
    expect(faults[0]?.line).toBeGreaterThanOrEqual(2);
  });

  test.each([
    ['a: 1\n---\nb: 2\n', 'one', 2],
    ['- 1\n', 'map', 1],
    ['', 'map', 1],
  ])('%j is not one document', (text, message, line) => {
    const { faults } = readYaml(text, WORDS);
    expect(faults).toEqual([{ message, line }]);
  });

  test('a key that is there twice is one', () => {
    expect(readYaml('a: 1\na: 2\n', WORDS).faults).toHaveLength(1);
  });
});

describe('paths', () => {
  test('are read and written as the API does', () => {
    const path = ['spec', 'schedules', 0, 'cron'];
    expect(readPath('spec.schedules[0].cron')).toEqual(path);
    expect(writePath(path)).toBe('spec.schedules[0].cron');
  });

  test('have a line, or that of the nearest above', () => {
    const { lineOf } = readYaml(TEXT, WORDS);
    expect(lineOf(['spec', 'schedules', 1, 'every'])).toBe(8);
    expect(lineOf(['spec', 'schedules', 1])).toBe(7);
    expect(lineOf(['spec', 'objectives', 'rpo'])).toBe(2);
    expect(lineOf(['nothing'])).toBeUndefined();
  });
});

test('unknown fields are named with their path, and what is meant', () => {
  const shape = map({ labels: open, items: list(map({ cron: value, every: value })) });
  const found = unknownFields(shape, {
    labels: { any: 1 },
    items: [{ cron: 1 }, { evry: 2 }],
    x: 1,
  });
  expect(found.map(({ field, meant }) => [field, meant])).toEqual([
    ['items[1].evry', 'every'],
    ['x', undefined],
  ]);
});

describe('differences', () => {
  test('are lines that went and lines that came', () => {
    const lines = diffLines('a\nb\nc\n', 'a\nx\nc\nd\n');
    expect(lines.map(({ kind, text }) => `${kind} ${text}`)).toEqual([
      'same a',
      'gone b',
      'new x',
      'same c',
      'new d',
    ]);
    expect(lines.at(-1)).toMatchObject({ before: undefined, after: 4 });
  });

  test('are shown with the lines around, and how many are left out', () => {
    const many = Array.from({ length: 20 }, (_, index) => `line ${index}`);
    const hunks = hunksOf(diffLines(many.join('\n'), many.with(10, 'other').join('\n')), 1);
    expect(hunks).toHaveLength(1);
    expect(hunks[0]?.skipped).toBe(9);
    expect(hunks[0]?.lines.map(({ text }) => text)).toEqual([
      'line 9',
      'line 10',
      'other',
      'line 11',
    ]);
  });

  test('of the same text there are none', () => {
    expect(hunksOf(diffLines('a\nb\n', 'a\nb\n'))).toEqual([]);
  });
});

test.each([
  [
    '  - name: gold # the best',
    ['mark:  - ', 'key:name', 'mark::', 'text: gold', 'comment: # the best'],
  ],
  ['url: "s3://a#b"', ['key:url', 'mark::', 'text: "s3://a#b"']],
  ['- plain', ['mark:- ', 'text:plain']],
  ['', []],
])('%j is coloured', (line, parts) => {
  const told = partsOf(line).map(({ kind, text }) => `${kind}:${text}`);
  expect(told).toEqual(parts);
  expect(
    partsOf(line)
      .map(({ text }) => text)
      .join(''),
  ).toBe(line);
});
