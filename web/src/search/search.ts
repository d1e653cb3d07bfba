/**
 * Filters, sort and tabs live in the URL. A page's search is a zod schema made of the
 * parts below: what cannot be read is left out, never an error, so that an old bookmark
 * still opens. What is empty is not written.
 */
import { z } from 'zod';

export const text = () => z.string().min(1).optional().catch(undefined);
export const flag = () => z.boolean().optional().catch(undefined);
export const choice = <const T extends readonly [string, ...string[]]>(values: T) =>
  z.enum(values).optional().catch(undefined);

/** `name` ascending, `-name` descending, of these columns. */
export function sortBy<const T extends readonly [string, ...string[]]>(columns: T) {
  const both = new Set<string>(columns.flatMap((column) => [column, `-${column}`]));
  return z
    .string()
    .refine((value): value is T[number] | `-${T[number]}` => both.has(value))
    .optional()
    .catch(undefined);
}

export interface Sort {
  column: string;
  descending: boolean;
}

export function readSort(value: string): Sort {
  const descending = value.startsWith('-');
  return { column: descending ? value.slice(1) : value, descending };
}

export function writeSort({ column, descending }: Sort): string {
  return descending ? `-${column}` : column;
}
