/** Where on its way a restore is, for the stepper: pure. */
import type { Restore, RestoreState } from '../../api/queries/restores';
import type { StepState, WayStep } from '../wizard/Stepper';

const ORDER: readonly WayStep[] = [
  'source',
  'point',
  'target',
  'plan',
  'approval',
  'run',
  'validate',
  'handOver',
];

/** The step in which a restore is, or was when it ended. */
const AT: Partial<Record<RestoreState, WayStep>> = {
  planned: 'plan',
  awaitingApproval: 'approval',
  placing: 'run',
  running: 'run',
  validating: 'validate',
  handingOver: 'handOver',
};

type Told = Pick<Restore, 'state' | 'history' | 'approval'>;

/** The last state that it came to before it ended. */
function lastStep({ state, history }: Told): WayStep {
  const own = AT[state];
  if (own !== undefined) return own;
  const before = history.flatMap((step) => AT[step.state] ?? []);
  return before.at(-1) ?? 'plan';
}

export function wayOf(restore: Told): Record<WayStep, StepState> {
  const last = lastStep(restore);
  const at = ORDER.indexOf(last);
  const needed = restore.approval != null;
  const state = (step: WayStep, index: number): StepState => {
    if (restore.state === 'done') return step === 'approval' && !needed ? 'skipped' : 'done';
    if (index === at) return ended(restore.state) ?? (last === 'approval' ? 'waiting' : 'current');
    if (step === 'approval' && !needed) return 'skipped';
    return index < at ? 'done' : 'todo';
  };
  return Object.fromEntries(ORDER.map((step, index) => [step, state(step, index)])) as Record<
    WayStep,
    StepState
  >;
}

function ended(state: RestoreState): StepState | undefined {
  return ['failed', 'cancelled', 'rejected', 'expired'].includes(state) ? 'failed' : undefined;
}

/** Whether somebody may still end it: what is restored already stays. */
export function canBeEnded(state: RestoreState): boolean {
  return state === 'awaitingApproval' || state === 'placing' || state === 'running';
}
