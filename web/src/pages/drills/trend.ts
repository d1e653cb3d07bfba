/** The restore times of a cluster's drills over time, against what its policy promises: pure. */
import type { Drill } from '../../api/queries/drills';
import { parseDuration } from '../../format/time';

export interface TrendLine {
  /** Milliseconds since 1970, ascending. */
  times: number[];
  achieved: number[];
}

/** Only a drill that passed shows how long a restore takes. */
export function trendOf(drills: readonly Drill[]): TrendLine {
  const points = drills
    .filter(({ verdict, achievedRtoSeconds }) => verdict === 'passed' && achievedRtoSeconds != null)
    .map(({ finishedAt, achievedRtoSeconds }) => ({
      at: Date.parse(finishedAt),
      seconds: achievedRtoSeconds ?? 0,
    }))
    .toSorted((a, b) => a.at - b.at);
  return { times: points.map(({ at }) => at), achieved: points.map(({ seconds }) => seconds) };
}

interface Field {
  field: string;
  value?: unknown;
}

/** The RTO that the policy in force promises. */
export function rtoOf(fields: readonly Field[] | undefined): number | undefined {
  const value = fields?.find(({ field }) => field === 'objectives.rto')?.value;
  return typeof value === 'string' ? parseDuration(value) : undefined;
}
