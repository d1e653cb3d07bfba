import { createColumnHelper } from '@tanstack/react-table';
import { expect, test } from 'vitest';
import { isSortable, sortedBy } from './sorted';

interface Row {
  name: string;
  lost: number | undefined;
}

const column = createColumnHelper<Row>();
const columns = [
  column.accessor('name', {}),
  column.accessor(({ lost }) => lost, { id: 'loss' }),
  column.accessor('lost', { id: 'unsorted', enableSorting: false }),
  column.display({ id: 'choose' }),
];
const rows: Row[] = [
  { name: 'b', lost: undefined },
  { name: 'c', lost: 9 },
  { name: 'a', lost: 10 },
  { name: 'd', lost: 9 },
];
const names = (by: string, descending = false) =>
  sortedBy(rows, columns, { column: by, descending })
    .map(({ name }) => name)
    .join('');

test('rows are in the order of a column, numbers as numbers', () => {
  expect(names('name')).toBe('abcd');
  expect(names('name', true)).toBe('dcba');
  expect(names('loss')).toBe('cdab');
});

test('what is not known is last either way', () => {
  expect(names('loss', true)).toBe('acdb');
});

test('what no column says leaves the order as it was', () => {
  expect(names('nothing')).toBe('bcad');
  expect(names('choose')).toBe('bcad');
});

test('a header sorts when there is something to sort by', () => {
  expect(columns.map((each) => isSortable(each))).toEqual([true, true, false, false]);
});
