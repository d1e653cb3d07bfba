/** A real PostgreSQL, run by the user `postgres` when we are root. */
import { join } from 'node:path';
import { freePort } from './node';
import { isRoot, postgresProgram } from './programs';
import { must, Running, until } from './process';
import type { Scratch } from './scratch';

const AS = ['--reuid', 'postgres', '--regid', 'postgres', '--clear-groups'];

/** What the agent's role may, as docs/how-to say. */
const ROLE = `
  CREATE ROLE holdfast LOGIN REPLICATION;
  GRANT pg_monitor TO holdfast;
  GRANT EXECUTE ON FUNCTION pg_backup_start(text, boolean) TO holdfast;
  GRANT EXECUTE ON FUNCTION pg_backup_stop(boolean) TO holdfast;`;

export class Postgres {
  private constructor(
    private readonly process: Running,
    private readonly socket: string,
    readonly port: number,
    readonly data: string,
  ) {}

  static async start(scratch: Scratch, name: string): Promise<Postgres> {
    const folder = scratch.serverFolder('servers');
    const data = join(folder, name);
    const init = ['--username=postgres', '--auth=trust', '--encoding=UTF8', '--data-checksums'];
    await must(...asServer('initdb', [...init, '--no-sync', '-D', data]));
    const port = await freePort();
    const settings = [
      `port=${port}`,
      `unix_socket_directories=${folder}`,
      'listen_addresses=',
      'shared_buffers=16MB',
      'max_connections=20',
    ];
    const process = Running.start(
      postgresProgram('postgres'),
      ['-D', data, ...settings.flatMap((it) => ['-c', it])],
      // SIGINT is a fast shutdown.
      { log: `${data}.log`, ends: 'SIGINT', ...(isRoot() && { as: AS }) },
    );
    const server = new Postgres(process, folder, port, data);
    await until('PostgreSQL to accept connections', async () => {
      if (process.ended) throw new Error(`PostgreSQL ended: ${process.tail()}`);
      return server.sql('SELECT 1').then(
        () => true,
        () => undefined,
      );
    });
    await server.sql(ROLE);
    return server;
  }

  connection(user = 'holdfast'): string {
    return `host=${this.socket} port=${this.port} user=${user} dbname=postgres`;
  }

  async sql(sql: string): Promise<string> {
    return query(this.connection('postgres'), sql);
  }

  stop(): Promise<void> {
    return this.process.stop();
  }
}

/** What a statement says at any server of this machine. */
export async function query(connection: string, sql: string): Promise<string> {
  const arguments_ = ['-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', connection, '-c', sql];
  return (await must(...asServer('psql', arguments_))).trim();
}

function asServer(name: string, arguments_: string[]): [string, string[], { cwd: string }] {
  const path = postgresProgram(name);
  const cwd = { cwd: '/' };
  return isRoot() ? ['setpriv', [...AS, '--', path, ...arguments_], cwd] : [path, arguments_, cwd];
}
