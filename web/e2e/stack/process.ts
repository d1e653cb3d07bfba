/**
 * Processes of a test: each logs to a file and ends with the test, whatever happens.
 *
 * Guarantees: nothing outlives the process that started it, not even when that is killed
 * (the kernel tells them, PR_SET_PDEATHSIG); only what was started here is ended.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

const PATIENCE = 15_000;

/** Added to our own; what is undefined is taken out. */
export type Environment = Record<string, string | undefined>;

export class Running {
  private constructor(
    private readonly child: ChildProcess,
    private readonly log: string,
    private readonly ends: NodeJS.Signals,
  ) {}

  /** Starts a program; `ends` is the signal that asks it to end. */
  static start(
    path: string,
    arguments_: readonly string[],
    options: {
      log: string;
      env?: Environment;
      as?: readonly string[];
      ends?: NodeJS.Signals;
    },
  ): Running {
    const { log, env = {}, as = [], ends = 'SIGTERM' } = options;
    const output = openSync(log, 'a');
    const command = ['--pdeathsig', ends.slice('SIG'.length), ...as, '--', path, ...arguments_];
    // `detached`: an interrupt at the terminal is for us, and we end it.
    const child = spawn('setpriv', command, {
      stdio: ['ignore', output, output],
      env: { ...process.env, ...env },
      detached: true,
    });
    closeSync(output);
    child.on('error', (error) => console.error(`${path}: ${error.message}`));
    return new Running(child, log, ends);
  }

  get id(): number {
    const { pid } = this.child;
    if (pid === undefined) throw new Error('it did not start');
    return pid;
  }

  get ended(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** The last of what it printed. */
  tail(): string {
    return existsSync(this.log) ? readFileSync(this.log, 'utf8').slice(-4000) : '';
  }

  /** Waits for a file that it writes when it is ready. */
  async ready(file: string): Promise<void> {
    await until(`${file} to be written`, () => {
      if (this.ended) throw new Error(`it ended instead of getting ready: ${this.tail()}`);
      return existsSync(file) ? true : undefined;
    });
  }

  /** Ends it as a power cut would. */
  async kill(): Promise<void> {
    if (!this.ended) this.child.kill('SIGKILL');
    await this.end();
  }

  /** Asks it to end; kills it when it does not. */
  async stop(): Promise<void> {
    if (!this.ended) this.child.kill(this.ends);
    const late = setTimeout(() => this.child.kill('SIGKILL'), PATIENCE);
    await this.end();
    clearTimeout(late);
  }

  private end(): Promise<void> {
    if (this.ended) return Promise.resolve();
    return new Promise((resolve) => {
      this.child.once('exit', () => resolve());
    });
  }
}

export interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a program to its end. */
export function run(
  path: string,
  arguments_: readonly string[],
  options: { env?: Environment; input?: string; cwd?: string } = {},
): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      path,
      arguments_,
      {
        env: { ...process.env, ...options.env },
        ...(options.cwd !== undefined && { cwd: options.cwd }),
        maxBuffer: 64 << 20,
      },
      (error, stdout, stderr) => {
        if (error !== null && typeof error.code !== 'number') reject(error);
        else resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
      },
    );
    // It may end without reading.
    child.stdin?.on('error', () => {});
    child.stdin?.end(options.input ?? '');
  });
}

/** The same for what must succeed; what it printed. */
export async function must(...what: Parameters<typeof run>): Promise<string> {
  const ran = await run(...what);
  if (ran.code !== 0) {
    const [path, arguments_] = what;
    throw new Error(`${path} ${arguments_.join(' ')}: ${ran.code}: ${ran.stderr}${ran.stdout}`);
  }
  return ran.stdout;
}

/** Asks until there is an answer, with a deadline that only a broken system misses. */
export async function until<T>(
  what: string,
  ask: () => T | undefined | Promise<T | undefined>,
  patience = 60_000,
): Promise<T> {
  const end = Date.now() + patience;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (Date.now() > end) throw new Error(`waited for ${what}, and it did not come`);
    await pause(100);
  }
}
