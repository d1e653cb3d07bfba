/** The programs under test, as cargo built them, and those of PostgreSQL. */
import { accessSync, chmodSync, constants, copyFileSync, existsSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const folder = resolve(process.env['HOLDFAST_TARGET'] ?? join(here, '../../../target/debug'));

const servers = process.env['HOLDFAST_TEST_PG15_BIN'] ?? '/usr/lib/postgresql/15/bin';

export type Program = 'holdfastd' | 'holdfast-agent' | 'holdfast' | 'holdfast-bench' | 'xtask';

/** The path of one of our programs. */
export function program(name: Program): string {
  const path = join(folder, name);
  if (!existsSync(path)) throw new Error(`${path} is not there: ${BUILD}`);
  return path;
}

const BUILD = '`make build` makes it, or HOLDFAST_TARGET says in which folder it is';

/** What tests with a stack need and this machine lacks, each with what to do. */
export function missingPrograms(): string[] {
  const missing: string[] = [];
  for (const name of ['holdfastd', 'holdfast-agent', 'holdfast'] as const) {
    const path = join(folder, name);
    if (!canRun(path)) missing.push(`${name} is not at ${path}: ${BUILD}`);
  }
  if (!canRun(join(servers, 'postgres'))) {
    missing.push(
      `PostgreSQL 15 is not in ${servers}: \`apt-get install postgresql-15\`, or say where it is by HOLDFAST_TEST_PG15_BIN`,
    );
  }
  return missing;
}

export function canRun(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
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
  const path = join(servers, name);
  if (!canRun(path)) throw new Error(missingPrograms().join('\n'));
  return path;
}
