/** States of work: an icon, a word, a colour. */
import {
  Ban,
  CircleCheck,
  CircleDashed,
  CircleX,
  Clock,
  Flame,
  Hourglass,
  LoaderCircle,
  PackageCheck,
  Recycle,
  Send,
  ShieldCheck,
  Trash2,
  Undo2,
  UserCheck,
  type LucideIcon,
} from 'lucide-react';
import type { ApprovalState } from '../../api/queries/approvals';
import type { BackupState } from '../../api/queries/backups';
import type { DrillVerdict } from '../../api/queries/drills';
import type { JobState } from '../../api/queries/jobs';
import type { RestoreState } from '../../api/queries/restores';
import { StatusPill, type Tone } from '../../ui/Badge';
import { words } from '../../words';

type Look = { tone: Tone; icon: LucideIcon };

const JOBS: Record<JobState, Look> = {
  queued: { tone: 'idle', icon: Clock },
  leased: { tone: 'info', icon: Send },
  running: { tone: 'info', icon: LoaderCircle },
  committing: { tone: 'info', icon: PackageCheck },
  succeeded: { tone: 'ok', icon: CircleCheck },
  failed: { tone: 'bad', icon: CircleX },
  cancelled: { tone: 'idle', icon: Ban },
  superseded: { tone: 'idle', icon: Recycle },
};

const RESTORES: Record<RestoreState, Look> = {
  planned: { tone: 'idle', icon: CircleDashed },
  awaitingApproval: { tone: 'warn', icon: UserCheck },
  placing: { tone: 'info', icon: Send },
  running: { tone: 'info', icon: LoaderCircle },
  validating: { tone: 'info', icon: ShieldCheck },
  handingOver: { tone: 'info', icon: PackageCheck },
  done: { tone: 'ok', icon: CircleCheck },
  failed: { tone: 'bad', icon: CircleX },
  cancelled: { tone: 'idle', icon: Ban },
  expired: { tone: 'idle', icon: Hourglass },
  rejected: { tone: 'bad', icon: Ban },
};

const DRILLS: Record<DrillVerdict, Look> = {
  passed: { tone: 'ok', icon: CircleCheck },
  failed: { tone: 'bad', icon: CircleX },
  cancelled: { tone: 'idle', icon: Ban },
};

const BACKUPS: Record<BackupState, Look> = {
  running: { tone: 'info', icon: LoaderCircle },
  available: { tone: 'ok', icon: CircleCheck },
  failed: { tone: 'bad', icon: CircleX },
  condemned: { tone: 'warn', icon: Flame },
  deleted: { tone: 'idle', icon: Trash2 },
};

const APPROVALS: Record<ApprovalState, Look> = {
  pending: { tone: 'warn', icon: UserCheck },
  executed: { tone: 'ok', icon: CircleCheck },
  rejected: { tone: 'bad', icon: Ban },
  expired: { tone: 'idle', icon: Hourglass },
  cancelled: { tone: 'idle', icon: Undo2 },
  failed: { tone: 'bad', icon: CircleX },
};

const { work } = words;

export const JobPill = ({ state }: { state: JobState }) => (
  <StatusPill {...JOBS[state]}>{work.jobStates[state]}</StatusPill>
);
export const RestorePill = ({ state }: { state: RestoreState }) => (
  <StatusPill {...RESTORES[state]}>{work.restoreStates[state]}</StatusPill>
);
export const DrillPill = ({ verdict }: { verdict: DrillVerdict }) => (
  <StatusPill {...DRILLS[verdict]}>{work.drillVerdicts[verdict]}</StatusPill>
);
export const BackupPill = ({ state }: { state: BackupState }) => (
  <StatusPill {...BACKUPS[state]}>{work.backupStates[state]}</StatusPill>
);

/** The API says a state of an approval as text; one that is not known here stays text. */
export function ApprovalPill({ state }: { state: string }) {
  const look = (APPROVALS as Record<string, Look | undefined>)[state];
  const said = (work.approvalStates as Record<string, string | undefined>)[state];
  return <StatusPill {...(look ?? { tone: 'idle' })}>{said ?? state}</StatusPill>;
}
