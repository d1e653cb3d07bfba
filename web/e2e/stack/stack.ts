/**
 * A whole Holdfast of a test's own: nodes, agents, PostgreSQL, a repository of files.
 *
 * Guarantees: free ports, a folder of its own, and all of it ends with `end`.
 */
import { Agent } from './agent';
import { Cli } from './cli';
import { Node, type Settings } from './node';
import { Postgres } from './postgres';
import { Scratch } from './scratch';

export class Stack {
  readonly scratch = new Scratch();
  readonly nodes: Node[] = [];
  private readonly agents: Agent[] = [];
  private readonly servers: Postgres[] = [];
  private logged: Cli | undefined;

  /** Founds a control plane of so many nodes. */
  static async found(nodes: 1 | 3 = 1, settings: Settings = {}): Promise<Stack> {
    const stack = new Stack();
    try {
      const founder = await Node.found(stack.scratch, settings);
      stack.nodes.push(founder);
      await stack.login();
      for (let number = 2; number <= nodes; number += 1) {
        const name = `node-${number}`;
        stack.nodes.push(await founder.join(stack.cli, stack.scratch, name, settings));
      }
      if (nodes > 1) await stack.login();
      return stack;
    } catch (error) {
      await stack.end();
      throw error;
    }
  }

  private async login(): Promise<void> {
    this.logged = this.cliOf('cli-admin');
    await this.logged.login('admin', this.password);
  }

  /** A CLI that keeps its login in a file of that name. */
  cliOf(name: string): Cli {
    const urls = this.nodes.map((node) => node.rest).join(',');
    return new Cli(urls, this.scratch.file(`${name}.toml`));
  }

  /** The CLI of `admin`. */
  get cli(): Cli {
    if (this.logged === undefined) throw new Error('nobody is logged in');
    return this.logged;
  }

  get founder(): Node {
    const [first] = this.nodes;
    if (first === undefined) throw new Error('no control plane was founded');
    return first;
  }

  get console(): string {
    return this.founder.console;
  }

  /** The password of `admin`. */
  get password(): string {
    return this.founder.password();
  }

  async agent(name: string): Promise<Agent> {
    const agent = await Agent.enrol(this.founder, this.cli, this.scratch, name);
    this.agents.push(agent);
    return agent;
  }

  async agentWith(token: string, name: string): Promise<void> {
    this.agents.push(await Agent.enrolWith(this.founder, token, this.scratch, name));
  }

  async postgres(name: string): Promise<Postgres> {
    const server = await Postgres.start(this.scratch, name);
    this.servers.push(server);
    return server;
  }

  /** The URL of a repository of files. */
  repository(name = 'repository'): string {
    return `file://${this.scratch.serverFolder(name)}`;
  }

  /** Ends everything, the agents first, and removes what they wrote. */
  async end(): Promise<void> {
    await Promise.all(this.agents.map((it) => it.stop()));
    await Promise.all([...this.nodes, ...this.servers].map((it) => it.stop()));
    await this.scratch.remove();
  }
}
