/** The verdict on a cluster against its RPO. */
import {
  Archive,
  CircleAlert,
  CircleCheck,
  CircleDashed,
  CircleHelp,
  CircleX,
  ShieldOff,
  Stamp,
  type LucideIcon,
} from 'lucide-react';
import { StatusPill, type Tone } from '../../ui/Badge';
import { words } from '../../words';
import type { Verdict } from '../../words/en/clusters';

const LOOKS: Record<Verdict, { tone: Tone; icon: LucideIcon }> = {
  COMPLIANT: { tone: 'ok', icon: CircleCheck },
  AT_RISK: { tone: 'warn', icon: CircleAlert },
  VIOLATED: { tone: 'bad', icon: CircleX },
  UNKNOWN: { tone: 'unknown', icon: CircleHelp },
  UNPROTECTED: { tone: 'bad', icon: ShieldOff },
  EXEMPT: { tone: 'info', icon: Stamp },
  NONE: { tone: 'idle', icon: CircleDashed },
  RETIRED: { tone: 'idle', icon: Archive },
};

export function VerdictPill({ verdict }: { verdict: Verdict }) {
  const { tone, icon } = LOOKS[verdict];
  return (
    <StatusPill tone={tone} icon={icon}>
      {words.clusters.verdicts[verdict]}
    </StatusPill>
  );
}
