/**
 * The way to a restore: source, point, target, plan. All of it is in the URL; what comes
 * after it is begun has an address of its own (/restores/rst_…).
 */
import { getRouteApi } from '@tanstack/react-router';
import { ArrowLeft, ArrowRight, RotateCcw } from 'lucide-react';
import { useState } from 'react';
import { Page } from '../../frame/Page';
import { Button } from '../../ui/Button';
import { words } from '../../words';
import { firstOpen, shownStep, wrongIn } from './draft';
import { PlanStep } from './PlanStep';
import { PointStep } from './PointStep';
import { SourceStep } from './SourceStep';
import { SoFar } from './SoFar';
import { Stepper, WAY, type StepState, type WayStep } from './Stepper';
import { TargetStep } from './TargetStep';
import { STEPS, type Draft, type Step } from './route';

const text = words.wizard;
const route = getRouteApi('/frame/restores/new');

export interface StepProps {
  draft: Draft;
  /** Shown once somebody tried to go on. */
  wrong: ReturnType<typeof wrongIn>;
  change: (changed: Partial<Draft>) => void;
}

export function WizardPage() {
  const draft = route.useSearch();
  const navigate = route.useNavigate();
  const [tried, setTried] = useState<Step>();
  const step = shownStep(draft);
  const change = (changed: Partial<Draft>) =>
    void navigate({
      search: (before) => ({ ...before, step, ...changed }),
      // Fields are typed into; each step is a page of the history of its own.
      replace: changed.step === undefined,
      resetScroll: changed.step !== undefined,
    });
  const wrong = wrongIn(draft, step);
  const next = STEPS[STEPS.indexOf(step) + 1];
  const before = STEPS[STEPS.indexOf(step) - 1];
  const props: StepProps = { draft, change, wrong: tried === step ? wrong : {} };
  const goOn = () => {
    setTried(step);
    if (next !== undefined && Object.keys(wrong).length === 0) change({ step: next });
  };
  return (
    <Page
      title={draft.cluster === undefined ? text.title : text.titleOf(draft.cluster)}
      about={draft.delta === true ? text.aboutOver : text.about}
      actions={
        draft.cluster !== undefined && (
          <Button icon={RotateCcw} onClick={() => void navigate({ search: {} })}>
            {text.startOver}
          </Button>
        )
      }
    >
      <div className="grid grid-cols-1 items-start gap-x-8 gap-y-5 lg:grid-cols-[13rem_minmax(0,1fr)]">
        <div className="space-y-5 lg:sticky lg:top-4">
          <Stepper states={statesOf(draft, step)} onGo={(to) => goTo(to, draft, step, change)} />
          <SoFar draft={draft} className="hidden lg:block" />
        </div>
        <div className="min-w-0">
          {step === 'source' && <SourceStep {...props} />}
          {step === 'point' && <PointStep {...props} />}
          {step === 'target' && <TargetStep {...props} />}
          {step === 'plan' && <PlanStep {...props} />}
          <div className="mt-5 flex items-center gap-2">
            {before !== undefined && (
              <Button icon={ArrowLeft} onClick={() => change({ step: before })}>
                {text.back}
              </Button>
            )}
            <span className="flex-1" />
            {next !== undefined && (
              <Button variant="primary" onClick={goOn}>
                {text.next}
                <ArrowRight aria-hidden className="size-4" />
              </Button>
            )}
          </div>
        </div>
      </div>
    </Page>
  );
}

function statesOf(draft: Draft, shown: Step): Record<WayStep, StepState> {
  const open = STEPS.indexOf(firstOpen(draft));
  const at = STEPS.indexOf(shown);
  const state = (step: WayStep): StepState => {
    const index = (STEPS as readonly string[]).indexOf(step);
    if (index === at) return 'current';
    return index !== -1 && index < Math.max(at, open) && index !== 3 ? 'done' : 'todo';
  };
  return Object.fromEntries(WAY.map((step) => [step, state(step)])) as Record<WayStep, StepState>;
}

/** To every step of the draft that is open; what comes after is not chosen, it happens. */
function goTo(
  to: WayStep,
  draft: Draft,
  shown: Step,
  change: StepProps['change'],
): (() => void) | undefined {
  const step = STEPS.find((each) => each === to);
  if (step === undefined || step === shown) return undefined;
  if (STEPS.indexOf(step) > STEPS.indexOf(firstOpen(draft))) return undefined;
  return () => change({ step });
}
