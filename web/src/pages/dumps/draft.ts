/** What is asked for of a dump: as a request, as a command, and what is missing: pure. */
import type { DumpRestoreRequest } from '../../api/queries/restores';
import { shellWord } from '../../ui/Equivalent';
import { words } from '../../words';
import type { DumpDraft } from './route';

const text = words.dumps.wrong;
/** The longest name that PostgreSQL keeps. */
const NAME_BYTES = 63;
export const JOBS_MAX = 64;

export function requestOf(draft: DumpDraft): DumpRestoreRequest {
  const { cluster = '', backup, database = '', into = '', to, owner, noPrivileges, jobs } = draft;
  return {
    cluster,
    database,
    into,
    ...(backup !== undefined && { backup }),
    ...(to !== undefined && to !== cluster && { toCluster: to }),
    ...(owner !== undefined && { owner }),
    ...(noPrivileges === true && { noPrivileges }),
    ...(jobs !== undefined && { jobs }),
  };
}

export function commandOf(draft: DumpDraft): string {
  const request = requestOf(draft);
  const { backup, toCluster, owner, noPrivileges, jobs } = request;
  return [
    `holdfast restore dump ${shellWord(request.cluster)}`,
    backup != null && `--backup ${shellWord(backup)}`,
    `--database ${shellWord(request.database)}`,
    `--into ${shellWord(request.into)}`,
    toCluster != null && `--to-cluster ${shellWord(toCluster)}`,
    owner != null && `--owner ${shellWord(owner)}`,
    noPrivileges === true && '--no-privileges',
    jobs !== undefined && `--jobs ${jobs}`,
    '--wait',
  ]
    .filter((part) => part !== false)
    .join(' \\\n  ');
}

export type WrongOfDump = Partial<Record<'cluster' | 'database' | 'into' | 'jobs', string>>;

export function wrongIn({ cluster, database, into, jobs }: DumpDraft): WrongOfDump {
  return {
    ...(cluster === undefined && { cluster: text.cluster }),
    ...(database === undefined && { database: text.database }),
    ...wrongName(into),
    ...(jobs !== undefined && (jobs < 1 || jobs > JOBS_MAX) && { jobs: text.jobs }),
  };
}

function wrongName(into: string | undefined): WrongOfDump {
  if (into === undefined) return { into: text.into };
  return new TextEncoder().encode(into).length > NAME_BYTES ? { into: text.intoLong } : {};
}

/** A database in a dump, as the job that took it told. */
export interface Dumped {
  database: string;
  bytes: number | undefined;
  objects: number | undefined;
  snapshotAt: string | undefined;
}

/** A job's result has no schema: what is not as expected is left out. */
export function databasesOf(result: object | null | undefined): Dumped[] {
  const { databases } = (result ?? {}) as { databases?: unknown };
  if (!Array.isArray(databases)) return [];
  return databases.flatMap((each: unknown) => {
    const told = (typeof each === 'object' && each !== null ? each : {}) as Record<string, unknown>;
    const { database, bytes, objects, snapshotAt } = told;
    if (typeof database !== 'string') return [];
    return [
      { database, bytes: number(bytes), objects: number(objects), snapshotAt: said(snapshotAt) },
    ];
  });
}

/** What a finished restore of a dump gave; undefined of any other job. */
export interface RestoredDatabase {
  database: string;
  into: string;
  cluster: string | undefined;
  backup: string | undefined;
  consistentAt: string | undefined;
  objects: number | undefined;
  archiveBytes: number | undefined;
}

export function restoredOf(result: object | null | undefined): RestoredDatabase | undefined {
  const told = (result ?? {}) as Record<string, unknown>;
  const { database, into } = told;
  if (typeof database !== 'string' || typeof into !== 'string') return undefined;
  return {
    database,
    into,
    cluster: said(told['cluster']),
    backup: said(told['backup']),
    consistentAt: said(told['consistentAt']),
    objects: number(told['objects']),
    archiveBytes: number(told['archiveBytes']),
  };
}

const number = (value: unknown) => (typeof value === 'number' ? value : undefined);
const said = (value: unknown) => (typeof value === 'string' ? value : undefined);
