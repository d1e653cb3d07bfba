/** How bad an alarm is. */
import { Info, OctagonAlert, TriangleAlert, type LucideIcon } from 'lucide-react';
import type { Severity } from '../../api/queries/alarms';
import { StatusPill, TONE_TEXT, type Tone } from '../../ui/Badge';
import { cx } from '../../ui/cx';
import { words } from '../../words';

const LOOKS: Record<Severity, { tone: Tone; icon: LucideIcon }> = {
  critical: { tone: 'bad', icon: OctagonAlert },
  warning: { tone: 'warn', icon: TriangleAlert },
  info: { tone: 'info', icon: Info },
};

/** The worst first. */
export const WORSE: Record<Severity, number> = { critical: 0, warning: 1, info: 2 };

export function SeverityPill({ severity }: { severity: Severity }) {
  const { tone, icon } = LOOKS[severity];
  return (
    <StatusPill tone={tone} icon={icon}>
      {words.alarms.severities[severity]}
    </StatusPill>
  );
}

/** Where a row has no room for the word: screen readers hear it. */
export function SeverityMark({ severity }: { severity: Severity }) {
  const { tone, icon: Icon } = LOOKS[severity];
  return (
    <span title={words.alarms.severities[severity]} className="flex shrink-0">
      <Icon aria-hidden className={cx('size-[1.125rem]', TONE_TEXT[tone])} />
      <span className="sr-only">{words.alarms.severities[severity]}: </span>
    </span>
  );
}
