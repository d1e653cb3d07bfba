/** Times of phases, from what a job entered when: pure. */
import type { Job } from '../../api/queries/jobs';
import type { PhaseShare } from './Phases';

const seconds = (from: string, to: number) => Math.max(0, (to - Date.parse(from)) / 1000);

/** The phases of one attempt; the last one goes on until it ended, or until now. */
export function phasesOf(job: Job, attempt: number, now: number): PhaseShare[] {
  const entered = (job.phases ?? []).filter((entry) => entry.attempt === attempt);
  const ended = job.attempts?.find((each) => each.attempt === attempt)?.endedAt ?? undefined;
  return entered.map(({ phase, at }, index) => {
    const next = entered[index + 1]?.at ?? ended;
    const share = { phase, seconds: seconds(at, next === undefined ? now : Date.parse(next)) };
    return next === undefined ? { ...share, open: true } : share;
  });
}

interface Told {
  phase: PhaseShare['phase'];
  milliseconds: number;
}

/** What a result tells of its phases. */
export function toldPhases(phases: unknown): PhaseShare[] {
  if (!Array.isArray(phases)) return [];
  return phases.filter(isTold).map(({ phase, milliseconds }) => ({
    phase,
    seconds: milliseconds / 1000,
  }));
}

function isTold(entry: unknown): entry is Told {
  return (
    typeof entry === 'object' &&
    entry !== null &&
    'phase' in entry &&
    typeof entry.phase === 'string' &&
    'milliseconds' in entry &&
    typeof entry.milliseconds === 'number'
  );
}
