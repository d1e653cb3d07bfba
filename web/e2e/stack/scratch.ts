/** A folder for what a test's servers write; PostgreSQL's user can get into it. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isRoot } from './programs';
import { until } from './process';

export class Scratch {
  readonly path = mkdtempSync(join(tmpdir(), 'holdfast-browser-'));

  constructor() {
    chmodSync(this.path, 0o755);
  }

  file(name: string): string {
    return join(this.path, name);
  }

  /** A folder of whoever runs PostgreSQL. */
  serverFolder(name: string): string {
    const path = this.file(name);
    if (existsSync(path)) return path;
    mkdirSync(path, { recursive: true });
    if (isRoot()) execFileSync('chown', ['postgres:postgres', path]);
    return path;
  }

  /** Ends servers that restores left running in it, and removes it. */
  async remove(): Promise<void> {
    for (const data of dataDirectories(this.path, 4)) await endServer(data);
    if (process.env['HOLDFAST_KEEP'] !== undefined) console.error(`kept: ${this.path}`);
    else rmSync(this.path, { recursive: true, force: true, maxRetries: 5 });
  }
}

function dataDirectories(folder: string, depth: number): string[] {
  if (existsSync(join(folder, 'postmaster.pid'))) return [folder];
  if (depth === 0 || existsSync(join(folder, 'PG_VERSION'))) return [];
  const inner = readdirSync(folder, { withFileTypes: true }).filter((it) => it.isDirectory());
  return inner.flatMap((it) => dataDirectories(join(folder, it.name), depth - 1));
}

async function endServer(data: string): Promise<void> {
  const pid = Number(readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n')[0]);
  const runsHere = () => {
    try {
      // A server's current folder is its data directory; ids are used again.
      return readlinkSync(`/proc/${pid}/cwd`) === data;
    } catch {
      return false;
    }
  };
  if (!runsHere()) return;
  process.kill(pid, 'SIGINT');
  await until(`the server of ${data} to end`, () => (runsHere() ? undefined : true));
}
