/** The programs under test, as cargo built them, and those of PostgreSQL. */
import { accessSync, chmodSync, constants, copyFileSync, existsSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const folder = resolve(process.env['HOLDFAST_TARGET'] ?? join(here, '../../../target/debug'));

export type Program = 'holdfastd' | 'holdfast-agent' | 'holdfast' | 'holdfast-bench' | 'xtask';

/** The path of one of our programs. */
export function program(name: Program): string {
  const path = join(folder, name);
  if (!existsSync(path)) {
    throw new Error(`${path} is not built: run \`make build\`, or set HOLDFAST_TARGET`);
  }
  return path;
}

/**
 * The same at a place where PostgreSQL's user can run it too: PostgreSQL runs the agent
 * as restore_command, and root's own folders are closed to others.
 */
export function reachable(name: Program, scratch: string): string {
  const built = program(name);
  const open = (path: string) => (statSync(path).mode & 0o001) !== 0;
  let path = built;
  while (open(path)) {
    if (dirname(path) === path) return built;
    path = dirname(path);
  }
  if (!isRoot()) return built;
  const copy = join(scratch, name);
  if (!existsSync(copy)) {
    copyFileSync(built, copy);
    chmodSync(copy, 0o755);
  }
  return copy;
}

export const isRoot = (): boolean => process.geteuid?.() === 0;

/** One of PostgreSQL 15: HOLDFAST_TEST_PG15_BIN, or Debian's. */
export function postgresProgram(name: string): string {
  const path = join(process.env['HOLDFAST_TEST_PG15_BIN'] ?? '/usr/lib/postgresql/15/bin', name);
  accessSync(path, constants.X_OK);
  return path;
}
