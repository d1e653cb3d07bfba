/**
 * Queries of the coverage band of a cluster, and of what restoring it to a point means.
 * The types are written down here until `schema.ts` has them.
 */
import { queryOptions } from '@tanstack/react-query';
import { api, unwrap, type Schemas } from '../client';

type Failure = Schemas['Failure'];

export interface ClusterCoverage {
  cluster: string;
  asOf: string;
  from?: string | null;
  to: string;
  repositories: RepositoryCoverage[];
  backups: BackupMark[];
  /** Null for who may not see them. */
  drills?: DrillMark[] | null;
  /** Null for who may not see them, and while no facts are kept. */
  violations?: Schemas['Violation'][] | null;
  leftOut: { backups: number; drills: number; violations: number };
}

export interface RepositoryCoverage {
  repository: string;
  role: 'original' | 'copy' | 'left';
  frontier?: string | null;
  frontierLsn?: string | null;
  frontierTimeline?: number | null;
  windowStart?: string | null;
  windowEnd?: string | null;
  stretches: Stretch[];
  holes: Hole[];
  timelines: { lineage: string; timeline: number; fromLsn: string; toLsn: string; bytes: number }[];
  resolutionSeconds?: number | null;
}

export interface Stretch {
  lineage: string;
  timeline: number;
  from: string;
  to: string;
  fromLsn: string;
  toLsn: string;
  backup: string;
  stretches: number;
  missingSeconds: number;
}

export interface Hole {
  lineage: string;
  timeline: number;
  from: string;
  /** Null while no backup leads past it. */
  to?: string | null;
  fromLsn?: string | null;
  toLsn?: string | null;
  missing: Schemas['LsnRange'][];
  cause?: string | null;
  recordedAt?: string | null;
}

export interface BackupMark {
  id: string;
  kind: Schemas['BackupKind'];
  state: Schemas['BackupState'];
  parent?: string | null;
  repositories: string[];
  lineage?: string | null;
  timeline?: number | null;
  startedAt: string;
  finishedAt?: string | null;
  startLsn?: string | null;
  stopLsn?: string | null;
  databaseBytes?: number | null;
  addedBytes?: number | null;
  hold?: Schemas['Hold'] | null;
  condemned?: Schemas['Condemnation'] | null;
  verifiedBy?: string | null;
  verifiedAt?: string | null;
  error?: Failure | null;
}

export interface DrillMark {
  id: string;
  finishedAt: string;
  verdict: Schemas['DrillVerdict'];
  kind?: Schemas['DrillKind'] | null;
  repository: string;
  backup?: string | null;
  target?: string | null;
  targetAt?: string | null;
  reachedAt?: string | null;
  reachedLsn?: string | null;
  rtoSeconds?: number | null;
  rpoSeconds?: number | null;
}

interface RestorablePoint {
  time: string;
  lsn: string;
  repository: string;
}

export interface Recoverability {
  cluster: string;
  at: string;
  asOf: string;
  possible: boolean;
  code?: string | null;
  message?: string | null;
  nearestBefore?: RestorablePoint | null;
  nearestAfter?: RestorablePoint | null;
  repository?: string | null;
  backup?: string | null;
  backupKind?: Schemas['BackupKind'] | null;
  backupFinishedAt?: string | null;
  timeline?: number | null;
  recoversTo?: string | null;
  lsn?: string | null;
  databaseBytes?: number | null;
  replayBytes?: number | null;
  replayBytesAtMost?: number | null;
  lossFromNowSeconds?: number | null;
  lossFromFrontierSeconds?: number | null;
  predictedSeconds?: number | null;
  predictedBecause?: string | null;
  copyBytesPerSecond?: number | null;
  replayBytesPerSecond?: number | null;
  proof: Schemas['DrillProof'];
  repositories: {
    repository: string;
    possible: boolean;
    code?: string | null;
    message?: string | null;
    backup?: string | null;
  }[];
}

/** What is asked about: a length of time up to now, or from one moment to another. */
export type Span = { last: number | undefined } | { from: string; to: string };

const EVERY_MILLISECONDS = 15_000;

export const coverage = {
  band: (cluster: string, span: Span) =>
    queryOptions({
      queryKey: ['clusters', 'coverage', cluster, span],
      queryFn: ({ signal }) => {
        const path = `/api/v1/clusters/${encodeURIComponent(cluster)}/coverage`;
        return read<ClusterCoverage>(path, period(span), signal);
      },
      refetchInterval: 'last' in span ? EVERY_MILLISECONDS : false,
      placeholderData: (before) => sameCluster(before, cluster),
    }),
  /** `at` is `latest`, a time, or `lsn:…`. */
  point: (cluster: string, at: string) =>
    queryOptions({
      queryKey: ['clusters', 'recoverability', cluster, at],
      queryFn: ({ signal }) => {
        const path = `/api/v1/clusters/${encodeURIComponent(cluster)}/recoverability`;
        return read<Recoverability>(path, { at }, signal);
      },
      refetchInterval: EVERY_MILLISECONDS,
      placeholderData: (before) => sameCluster(before, cluster),
    }),
};

/** Another time of the same cluster may stand in; another cluster never. */
function sameCluster<T extends { cluster: string }>(
  before: T | undefined,
  cluster: string,
): T | undefined {
  return before?.cluster === cluster ? before : undefined;
}

function period(span: Span): Record<string, string> {
  if ('from' in span) return { from: span.from, to: span.to };
  if (span.last === undefined) return {};
  return { from: new Date(Date.now() - span.last).toISOString() };
}

type Read = (
  path: string,
  ask: { params: { query: Record<string, string> }; signal: AbortSignal },
) => Promise<{ data?: unknown; error?: unknown; response: Response }>;

/** Of an address that `paths` does not have yet. */
async function read<T>(path: string, query: Record<string, string>, signal: AbortSignal) {
  return (await unwrap((api.GET as unknown as Read)(path, { params: { query }, signal }))) as T;
}
