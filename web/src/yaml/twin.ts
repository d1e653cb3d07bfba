/**
 * A YAML document that a form edits too. The text is the truth: the form reads values
 * out of it and writes them into it, so comments and order stay as they were typed.
 */
import { LineCounter, isCollection, isMap, isSeq, parseAllDocuments, stringify } from 'yaml';
import type { Document } from 'yaml';

export type Path = readonly (string | number)[];

export interface YamlFault {
  message: string;
  /** From 1. */
  line: number;
}

export interface YamlRead {
  /** What the document says; undefined when it cannot be read. */
  value: Record<string, unknown> | undefined;
  faults: YamlFault[];
  /** The line of what is at a path, or of the nearest above it that is there. */
  lineOf: (path: Path) => number | undefined;
}

export interface YamlWords {
  notOne: string;
  notMap: string;
}

export function readYaml(text: string, words: YamlWords): YamlRead {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter: lines, uniqueKeys: true });
  const document = Array.isArray(documents) ? documents[0] : undefined;
  const faults: YamlFault[] = [];
  for (const each of Array.isArray(documents) ? documents : []) {
    for (const error of each.errors) {
      faults.push({ message: firstLine(error.message), line: error.linePos?.[0].line ?? 1 });
    }
  }
  if (faults.length === 0 && Array.isArray(documents) && documents.length > 1) {
    const start = documents[1]?.range?.[0] ?? 0;
    faults.push({ message: words.notOne, line: lines.linePos(start).line });
  }
  if (faults.length === 0 && !isMap(document?.contents)) {
    faults.push({ message: words.notMap, line: 1 });
  }
  return {
    value:
      faults.length === 0 ? (document?.toJS() as Record<string, unknown> | undefined) : undefined,
    faults,
    lineOf: (path) => (document === undefined ? undefined : lineOf(document, lines, path)),
  };
}

function lineOf(document: Document, lines: LineCounter, path: Path): number | undefined {
  for (let length = path.length; length > 0; length -= 1) {
    const range = rangeOf(document, path.slice(0, length));
    if (range !== undefined) return lines.linePos(range).line;
  }
  return undefined;
}

/** Where the key (or the element of a list) begins. */
function rangeOf(document: Document, path: Path): number | undefined {
  const last = path.at(-1);
  const parent = path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true);
  if (isMap(parent)) {
    const pair = parent.items.find(({ key }) => String(key) === String(last));
    const key = pair?.key as { range?: readonly number[] } | undefined;
    return key?.range?.[0];
  }
  if (isSeq(parent) && typeof last === 'number') {
    const item = parent.items[last] as { range?: readonly number[] } | undefined;
    return item?.range?.[0];
  }
  return undefined;
}

/** The text with `value` at `path`; undefined takes it out, and what is then empty with it. */
export function withValue(
  text: string,
  path: Path,
  value: unknown,
  keep: readonly string[] = [],
): string {
  const documents = parseAllDocuments(text);
  const document = Array.isArray(documents) ? documents[0] : undefined;
  if (document === undefined) return text;
  if (value === undefined) {
    document.deleteIn(path);
    for (let length = path.length - 1; length > 1; length -= 1) {
      const above = path.slice(0, length);
      const parent = document.getIn(above, true);
      if (!isCollection(parent) || parent.items.length > 0) break;
      if (keep.includes(above.join('.'))) break;
      document.deleteIn(above);
    }
  } else {
    document.setIn(path, document.createNode(value));
    // What was `{}` is written in lines once it holds something.
    const parent = path.length > 1 ? document.getIn(path.slice(0, -1), true) : undefined;
    if (isCollection(parent) && parent.items.length === 1) parent.flow = false;
  }
  return document.toString({ lineWidth: 0 });
}

/** Plain data as a document. */
export function writeYaml(value: unknown): string {
  return stringify(value, { lineWidth: 0 });
}

/** `spec.schedules[0].cron` of a refusal as a path. */
export function readPath(text: string): (string | number)[] {
  return text
    .split('.')
    .flatMap((part) => part.split(/\[(\d+)\]/))
    .filter((part) => part !== '')
    .map((part) => (/^\d+$/.test(part) ? Number(part) : part));
}

export function writePath(path: Path): string {
  return path
    .map((part, index) =>
      typeof part === 'number' ? `[${part}]` : index === 0 ? part : `.${part}`,
    )
    .join('');
}

/** What is at a path of plain data. */
export function valueAt(value: unknown, path: Path): unknown {
  let here = value;
  for (const part of path) {
    if (typeof here !== 'object' || here === null) return undefined;
    here = (here as Record<string | number, unknown>)[part];
  }
  return here;
}

function firstLine(text: string): string {
  return (text.split('\n')[0] ?? text).replace(/ at line \d+, column \d+:?$/, '');
}
