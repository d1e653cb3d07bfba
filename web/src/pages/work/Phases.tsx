/** Where the time of a piece of work went: a bar in proportion, and each phase with its time. */
import type { JobPhase } from '../../api/queries/jobs';
import { formatDuration } from '../../format/time';
import { cx } from '../../ui/cx';
import { words } from '../../words';

const text = words.work;

const COLOURS: Record<JobPhase, string> = {
  prepare: 'bg-idle-mark',
  start: 'bg-idle-mark',
  copy: 'bg-info-mark',
  stop: 'bg-idle-mark',
  wal: 'bg-accent',
  verify: 'bg-unknown-mark',
  replay: 'bg-warn-mark',
  promote: 'bg-ok-mark',
  check: 'bg-info',
  commit: 'bg-ok',
};

export interface PhaseShare {
  phase: JobPhase;
  seconds: number;
  /** It is under way. */
  open?: boolean;
}

export function Phases({ phases }: { phases: readonly PhaseShare[] }) {
  const all = phases.reduce((sum, { seconds }) => sum + seconds, 0);
  if (phases.length === 0) return null;
  return (
    <figure aria-label={text.phasesLabel} className="m-0">
      <div aria-hidden className="flex h-2.5 gap-0.5 overflow-hidden rounded-full bg-idle-soft">
        {phases.map(({ phase, seconds, open }, index) => (
          <span
            key={index}
            className={cx('min-w-1', COLOURS[phase], open === true && 'animate-pulse-soft')}
            style={{ width: `${all === 0 ? 0 : (seconds / all) * 100}%` }}
          />
        ))}
      </div>
      <ol className="mt-2.5 flex flex-wrap gap-x-5 gap-y-1.5">
        {phases.map(({ phase, seconds, open }, index) => (
          <li key={index} className="flex items-center gap-1.5 text-sm">
            <span aria-hidden className={cx('size-2.5 rounded-sm', COLOURS[phase])} />
            <span className={cx(open === true && 'font-semibold')}>{text.phases[phase]}</span>
            <span className="num text-ink-2">{formatDuration(seconds)}</span>
          </li>
        ))}
      </ol>
    </figure>
  );
}
