/** `holdfast` as its people run it. */
import { program } from './programs';
import { type Environment, must, type Ran, run } from './process';

export class Cli {
  constructor(
    private readonly servers: string,
    private readonly config: string,
  ) {}

  private get env(): Environment {
    return {
      HOLDFAST_SERVER: this.servers,
      HOLDFAST_CLI_CONFIG: this.config,
      HOLDFAST_TOKEN: undefined,
      HOLDFAST_CA: undefined,
    };
  }

  async login(user: string, password: string): Promise<void> {
    await must(program('holdfast'), ['login', '--user', user, '--password-stdin'], {
      env: this.env,
      input: password,
    });
  }

  /** Runs a command, however it ends. */
  run(...arguments_: string[]): Promise<Ran> {
    return run(program('holdfast'), arguments_, { env: this.env });
  }

  /** Runs a command that must succeed; what it printed. */
  do(arguments_: readonly string[], input?: string): Promise<string> {
    return must(program('holdfast'), arguments_, {
      env: this.env,
      ...(input !== undefined && { input }),
    });
  }

  /** The same for its JSON. */
  async json<T>(...arguments_: string[]): Promise<T> {
    return JSON.parse(await this.do([...arguments_, '-o', 'json'])) as T;
  }

  apply(yaml: string): Promise<string> {
    return this.do(['apply', '-f', '-'], yaml);
  }
}
