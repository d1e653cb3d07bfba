/** The whole way of a restore, and where on it one is. */
import { Check, CircleX, Hourglass, Minus } from 'lucide-react';
import { cx } from '../../ui/cx';
import { words } from '../../words';

const text = words.wizard;

export const WAY = [
  'source',
  'point',
  'target',
  'plan',
  'approval',
  'run',
  'validate',
  'handOver',
] as const;
export type WayStep = (typeof WAY)[number];
export type StepState = 'done' | 'current' | 'waiting' | 'todo' | 'failed' | 'skipped';

export function Stepper({
  states,
  onGo,
}: {
  states: Record<WayStep, StepState>;
  /** Where one may go from here, by a press. */
  onGo?: (step: WayStep) => (() => void) | undefined;
}) {
  const here = WAY.findIndex((step) => ['current', 'waiting', 'failed'].includes(states[step]));
  const shown = here === -1 ? WAY.length - 1 : here;
  const name = WAY[shown] ?? 'handOver';
  return (
    <nav aria-label={text.steps.label} className="min-w-0">
      <p className="mb-2 font-medium lg:hidden">
        {text.stepOf(shown + 1, WAY.length, text.steps[name])}
      </p>
      <ol className="flex gap-1 lg:flex-col lg:gap-0">
        {WAY.map((step, index) => (
          <Item
            key={step}
            step={step}
            number={index + 1}
            state={states[step]}
            last={index === WAY.length - 1}
            go={onGo?.(step)}
          />
        ))}
      </ol>
    </nav>
  );
}

const DOTS: Record<StepState, string> = {
  done: 'border-ok-mark bg-ok-soft text-ok',
  current: 'border-accent bg-accent text-on-accent',
  waiting: 'border-warn-mark bg-warn-soft text-warn',
  failed: 'border-bad-mark bg-bad-soft text-bad',
  todo: 'border-line-strong bg-surface text-ink-3',
  skipped: 'border-line-strong bg-sunken text-ink-3',
};
const BARS: Record<StepState, string> = {
  done: 'bg-ok-mark',
  current: 'bg-accent',
  waiting: 'bg-warn-mark',
  failed: 'bg-bad-mark',
  todo: 'bg-line-strong',
  skipped: 'bg-line-strong',
};
const ICONS = { done: Check, failed: CircleX, waiting: Hourglass, skipped: Minus } as const;

function Item({
  step,
  number,
  state,
  last,
  go,
}: {
  step: WayStep;
  number: number;
  state: StepState;
  last: boolean;
  go: (() => void) | undefined;
}) {
  const Icon = state in ICONS ? ICONS[state as keyof typeof ICONS] : undefined;
  const active = state === 'current' || state === 'waiting' || state === 'failed';
  const content = (
    <>
      <span
        aria-hidden
        className={cx(
          'num hidden size-7 shrink-0 items-center justify-center rounded-full border-2 text-sm font-semibold lg:flex',
          DOTS[state],
        )}
      >
        {Icon === undefined ? number : <Icon className="size-4" strokeWidth={2.5} />}
      </span>
      <span aria-hidden className={cx('h-1.5 w-full rounded-full lg:hidden', BARS[state])} />
      <span className="sr-only lg:not-sr-only">
        <span
          className={cx(
            active ? 'font-semibold text-ink' : state === 'done' ? 'text-ink' : 'text-ink-3',
          )}
        >
          {text.steps[step]}
        </span>
        <span
          className={
            state === 'skipped' || state === 'waiting' ? 'block text-xs text-ink-3' : 'sr-only'
          }
        >
          {text.states[state]}
        </span>
      </span>
    </>
  );
  const classes = 'flex h-5 w-full items-center gap-3 text-left lg:h-auto lg:min-h-11';
  return (
    <li aria-current={active ? 'step' : undefined} className="relative flex-1 lg:flex-none">
      {!last && (
        <span
          aria-hidden
          className={cx(
            'absolute top-9 bottom-[-0.5rem] left-[0.8125rem] hidden w-0.5 lg:block',
            state === 'done' ? 'bg-ok-mark' : 'bg-line',
          )}
        />
      )}
      {go === undefined ? (
        <div className={classes}>{content}</div>
      ) : (
        <button
          type="button"
          onClick={go}
          className={cx(classes, 'relative rounded-md hover:text-accent')}
        >
          {content}
        </button>
      )}
    </li>
  );
}
