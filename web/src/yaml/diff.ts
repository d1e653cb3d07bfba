/** What differs between two texts, line by line. */

export interface DiffLine {
  kind: 'same' | 'gone' | 'new';
  text: string;
  /** Line numbers from 1, where the line is there. */
  before: number | undefined;
  after: number | undefined;
}

/** The longest common lines stay; documents are short, so the plain table is quick. */
export function diffLines(before: string, after: string): DiffLine[] {
  const [old, now] = [linesOf(before), linesOf(after)];
  const width = now.length + 1;
  const common = new Uint32Array((old.length + 1) * width);
  const at = (row: number, column: number) => common[row * width + column] ?? 0;
  for (let row = old.length - 1; row >= 0; row -= 1) {
    for (let column = now.length - 1; column >= 0; column -= 1) {
      common[row * width + column] =
        old[row] === now[column]
          ? at(row + 1, column + 1) + 1
          : Math.max(at(row + 1, column), at(row, column + 1));
    }
  }
  const lines: DiffLine[] = [];
  let [row, column] = [0, 0];
  while (row < old.length || column < now.length) {
    if (row < old.length && column < now.length && old[row] === now[column]) {
      lines.push({ kind: 'same', text: old[row] ?? '', before: ++row, after: ++column });
    } else if (
      row < old.length &&
      (column >= now.length || at(row + 1, column) >= at(row, column + 1))
    ) {
      lines.push({ kind: 'gone', text: old[row] ?? '', before: ++row, after: undefined });
    } else {
      lines.push({ kind: 'new', text: now[column] ?? '', before: undefined, after: ++column });
    }
  }
  return lines;
}

export interface Hunk {
  lines: DiffLine[];
  /** Lines left out before it. */
  skipped: number;
}

/** What changed with some lines around it. */
export function hunksOf(lines: readonly DiffLine[], around = 3): Hunk[] {
  const near = lines.map((_, index) =>
    lines
      .slice(Math.max(0, index - around), index + around + 1)
      .some(({ kind }) => kind !== 'same'),
  );
  const hunks: Hunk[] = [];
  let skipped = 0;
  let open: Hunk | undefined;
  for (const [index, line] of lines.entries()) {
    if (near[index] !== true) {
      skipped += 1;
      open = undefined;
      continue;
    }
    if (open === undefined) {
      open = { lines: [], skipped };
      skipped = 0;
      hunks.push(open);
    }
    open.lines.push(line);
  }
  return hunks;
}

function linesOf(text: string): string[] {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines;
}
