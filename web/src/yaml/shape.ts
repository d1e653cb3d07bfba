/** Which fields a document may have: what is not known is named with its path. */
import { writePath, type Path } from './twin';

export type Shape =
  | { kind: 'map'; fields: Record<string, Shape> }
  | { kind: 'list'; of: Shape }
  /** Any keys: labels. */
  | { kind: 'open' }
  | { kind: 'value' };

export const value: Shape = { kind: 'value' };
export const open: Shape = { kind: 'open' };
export const list = (of: Shape): Shape => ({ kind: 'list', of });
export const map = (fields: Record<string, Shape>): Shape => ({ kind: 'map', fields });

export interface UnknownField {
  path: (string | number)[];
  field: string;
  /** The known field that is meant, perhaps. */
  meant: string | undefined;
  expected: string[];
}

export function unknownFields(shape: Shape, data: unknown, path: Path = []): UnknownField[] {
  if (shape.kind === 'list') {
    if (!Array.isArray(data)) return [];
    return data.flatMap((item, index) => unknownFields(shape.of, item, [...path, index]));
  }
  if (shape.kind !== 'map' || typeof data !== 'object' || data === null) return [];
  const known = Object.keys(shape.fields);
  return Object.entries(data).flatMap(([key, item]) => {
    const here = [...path, key];
    const of = shape.fields[key];
    if (of !== undefined) return unknownFields(of, item, here);
    return [{ path: here, field: writePath(here), meant: nearest(key, known), expected: known }];
  });
}

function nearest(word: string, known: readonly string[]): string | undefined {
  const ranked = known
    .map((each) => ({ each, far: distance(word.toLowerCase(), each.toLowerCase()) }))
    .sort((left, right) => left.far - right.far);
  const best = ranked[0];
  return best !== undefined && best.far <= Math.max(1, Math.floor(word.length / 3))
    ? best.each
    : undefined;
}

/** How many letters to change, add or leave out. */
function distance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (const [index, letter] of [...left].entries()) {
    const next = [index + 1];
    for (const [column, other] of [...right].entries()) {
      next.push(
        Math.min(
          (row[column] ?? 0) + (letter === other ? 0 : 1),
          (row[column + 1] ?? 0) + 1,
          (next[column] ?? 0) + 1,
        ),
      );
    }
    row = next;
  }
  return row[right.length] ?? 0;
}
