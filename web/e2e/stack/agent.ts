/** An agent on this host, enrolled with a one-time token. */
import { join } from 'node:path';
import type { Cli } from './cli';
import type { Node } from './node';
import { reachable } from './programs';
import { must, Running } from './process';
import type { Scratch } from './scratch';

type Dialled = Pick<Node, 'grpc'>;

export class Agent {
  private constructor(private readonly process: Running) {}

  static async enrol(node: Dialled, cli: Cli, scratch: Scratch, name: string): Promise<Agent> {
    const { token } = await cli.json<{ token: string }>('agent', 'token', 'create');
    return Agent.enrolWith(node, token, scratch, name);
  }

  /** The same with a token that was made elsewhere, such as in the console. */
  static async enrolWith(
    node: Dialled,
    token: string,
    scratch: Scratch,
    name: string,
  ): Promise<Agent> {
    const data = scratch.file(`agent-${name}`);
    const path = reachable('holdfast-agent', scratch.path);
    const how = ['enroll', '--server', node.grpc, '--token', token, '--name', name, '--data', data];
    await must(path, how);
    const log = `${data}.log`;
    const running = Running.start(path, ['run', '--data', data], { log });
    await running.ready(join(data, 'ready.json'));
    return new Agent(running);
  }

  stop(): Promise<void> {
    return this.process.stop();
  }
}
