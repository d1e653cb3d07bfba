/** Nodes of a control plane, which serve the console themselves. */
import { readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Schemas } from '../../src/api/client';
import type { Cli } from './cli';
import { program } from './programs';
import { must, Running, until } from './process';
import type { Scratch } from './scratch';

/** What a stack's nodes are told by their environment. */
export type Settings = Record<string, string>;

type Nodes = Schemas['List_Node'];

export class Node {
  private preview: Running | undefined;
  private url: string | undefined;

  private addresses: Record<string, string> = {};
  private running: Running | undefined;

  private constructor(
    readonly name: string,
    private readonly data: string,
    private readonly settings: Settings,
  ) {}

  static async found(scratch: Scratch, settings: Settings): Promise<Node> {
    const node = new Node('node-1', scratch.file('node-1'), settings);
    await node.start('--bootstrap');
    return node;
  }

  /** A node of a data directory that is there, not started yet. */
  static at(data: string): Node {
    return new Node('node-1', data, {});
  }

  /** Lets another node join this one's control plane, and waits until it votes. */
  async join(cli: Cli, scratch: Scratch, name: string, settings: Settings): Promise<Node> {
    const data = scratch.file(name);
    const { token } = await cli.json<{ token: string }>('node', 'add');
    const how = ['join', '--server', this.grpc, '--token', token, '--name', name, '--data', data];
    await must(program('holdfastd'), how);
    const node = new Node(name, data, settings);
    await node.start();
    await until(`${name} to vote`, async () => {
      const { items } = await cli.json<Nodes>('node', 'list');
      const votes = items.some((it) => it.name === name && it.state === 'member');
      return votes ? true : undefined;
    });
    return node;
  }

  /** Starts it, again at the addresses that it had. */
  async start(...more: string[]): Promise<void> {
    // What it wrote when it ran before is not what it writes now.
    rmSync(this.listenFile, { force: true });
    const at = (name: string) => this.addresses[name]?.split('://')[1] ?? '127.0.0.1:0';
    const where = ['--rest', at('rest'), '--grpc', at('grpc'), '--raft', at('raft')];
    this.running = Running.start(
      program('holdfastd'),
      ['run', '--data', this.data, ...where, ...more],
      { log: `${this.data}.log`, env: this.settings },
    );
    await this.running.ready(this.listenFile);
    this.addresses = JSON.parse(readFileSync(this.listenFile, 'utf8')) as Record<string, string>;
    await this.openConsole();
  }

  private get listenFile(): string {
    return join(this.data, 'listen.json');
  }

  /** Where people and scripts ask. */
  get rest(): string {
    return this.addresses['rest'] ?? '';
  }

  /** Where agents and nodes dial. */
  get grpc(): string {
    return this.addresses['grpc'] ?? '';
  }

  /** Where the console is: at the node itself. */
  get console(): string {
    return this.url ?? this.rest;
  }

  /** The password of `admin`, which the founder wrote. */
  password(): string {
    const line = readFileSync(join(this.data, 'bootstrap-admin'), 'utf8').trim();
    return line.slice('admin:'.length);
  }

  /** Ends it as a power cut would. */
  async kill(): Promise<void> {
    await this.running?.kill();
    await this.preview?.kill();
    rmSync(this.listenFile, { force: true });
  }

  async stop(): Promise<void> {
    await this.preview?.stop();
    await this.running?.stop();
  }

  /**
   * HOLDFAST_CONSOLE=dist shows web/dist instead of what the program embeds, with the
   * program's API: for work on pages, without building holdfastd for each change.
   */
  private async openConsole(): Promise<void> {
    if (process.env['HOLDFAST_CONSOLE'] !== 'dist') return;
    const port = this.url === undefined ? await freePort() : Number(new URL(this.url).port);
    const web = join(dirname(fileURLToPath(import.meta.url)), '../..');
    const vite = join(web, 'node_modules/vite/bin/vite.js');
    const where = [web, '--config', join(web, 'vite.config.ts')];
    this.preview = Running.start(
      process.execPath,
      [vite, 'preview', ...where, '--port', String(port), '--strictPort'],
      { log: `${this.data}.console.log`, env: { HOLDFAST_URL: this.rest } },
    );
    const url = `http://127.0.0.1:${port}`;
    await until('the console', async () => {
      const answer = await fetch(url).catch(() => undefined);
      return answer?.ok === true ? true : undefined;
    });
    this.url = url;
  }
}

/** A port that is free now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = address !== null && typeof address === 'object' ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
