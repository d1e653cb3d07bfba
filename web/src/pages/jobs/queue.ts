/** The order in which what waits is shown. */
import type { Job } from '../../api/queries/jobs';

/** By place; those that have none, because they may not begin yet, by age after them. */
export function inQueueOrder(jobs: readonly Job[]): Job[] {
  const place = ({ queuePosition }: Job) => queuePosition ?? Number.POSITIVE_INFINITY;
  return jobs.toSorted((one, other) => {
    const [a, b] = [place(one), place(other)];
    return a === b ? one.createdAt.localeCompare(other.createdAt) : a - b;
  });
}
