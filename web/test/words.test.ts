/**
 * Words are in src/words alone, so that they are found, reviewed and translated there.
 *
 * @vitest-environment node
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { expect, test } from 'vitest';

const SPOKEN = new Set([
  'aria-label',
  'title',
  'placeholder',
  'alt',
  'label',
  'text',
  'about',
  'help',
]);
const hasLetters = (text: string) => /\p{L}{2}/u.test(text);

/** What a component says by itself: text between tags, and attributes that are read. */
export function literalsOf(file: string, code: string): string[] {
  const source = ts.createSourceFile(file, code, ts.ScriptTarget.Latest, true, ts.ScriptKind.TSX);
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isJsxText(node) && hasLetters(node.text)) found.push(node.text.trim());
    if (
      ts.isJsxAttribute(node) &&
      SPOKEN.has(node.name.getText(source)) &&
      node.initializer !== undefined &&
      ts.isStringLiteral(node.initializer) &&
      hasLetters(node.initializer.text)
    ) {
      found.push(node.initializer.text);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

test('a literal is noticed, in text and in attributes', () => {
  const code = 'const a = <p title="Hello there">Some words {x}</p>;';
  expect(literalsOf('a.tsx', code)).toEqual(['Hello there', 'Some words']);
});

test('no component has words of its own', { timeout: 60_000 }, () => {
  const said: string[] = [];
  let files = 0;
  for (const name of readdirSync('src', { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.tsx') || name.includes('.test.')) continue;
    const file = join('src', name);
    files += 1;
    for (const literal of literalsOf(file, readFileSync(file, 'utf8'))) {
      // The example command of an empty state is code, not words.
      if (!literal.startsWith('holdfast ')) said.push(`${file}: ${literal}`);
    }
  }
  expect(files).toBeGreaterThan(20);
  expect(said).toEqual([]);
});
