/** How long a piece of work took, once it ended. */
interface Timed {
  startedAt?: string | null;
  finishedAt?: string | null;
}

export function tookSeconds({ startedAt, finishedAt }: Timed): number | undefined {
  return between(startedAt, finishedAt);
}

type Moment = string | null | undefined;

export function between(from: Moment, to: Moment): number | undefined {
  if (from === null || from === undefined || to === null || to === undefined) return undefined;
  return Math.max(0, (Date.parse(to) - Date.parse(from)) / 1000);
}
