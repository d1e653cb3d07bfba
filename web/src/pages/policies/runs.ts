/** Runs to come by schedule, placed on one line of time. */
import type { PolicyPreview } from '../../api/queries/policies';

type Run = PolicyPreview['nextRuns'][number];

export interface Lane {
  schedule: string;
  /** Milliseconds since 1970. */
  starts: { at: number; cluster: string; missed: boolean }[];
}

export interface Lanes {
  lanes: Lane[];
  from: number;
  to: number;
  clusters: number;
}

export function lanesOf(runs: readonly Run[], now: number): Lanes | undefined {
  if (runs.length === 0) return undefined;
  const lanes = new Map<string, Lane>();
  const clusters = new Set<string>();
  let to = now;
  for (const { schedule, cluster, next } of runs) {
    clusters.add(cluster);
    const missed = next.placement === 'missed';
    const at = Date.parse(next.placement === 'starts' ? next.notBefore : next.at);
    to = Math.max(to, at);
    const lane = lanes.get(schedule) ?? { schedule, starts: [] };
    lane.starts.push({ at, cluster, missed });
    lanes.set(schedule, lane);
  }
  return { lanes: [...lanes.values()], from: now, to, clusters: clusters.size };
}
