/** Words that the pages of work share: jobs, restores, drills, backups, approvals. */
import type { BackupKind, BackupState } from '../../api/queries/backups';
import type { ApprovalState } from '../../api/queries/approvals';
import type { DrillVerdict } from '../../api/queries/drills';
import type { JobKind, JobPhase, JobState } from '../../api/queries/jobs';
import type { RestoreState } from '../../api/queries/restores';

const jobStates: Record<JobState, string> = {
  queued: 'Queued',
  leased: 'Given out',
  running: 'Running',
  committing: 'Committing',
  succeeded: 'Succeeded',
  failed: 'Failed',
  cancelled: 'Cancelled',
  superseded: 'Superseded',
};

const jobKinds: Record<JobKind, string> = {
  backup: 'Backup',
  restore: 'Restore',
  copy: 'Copy',
  drill: 'Drill',
};

const phases: Record<JobPhase, string> = {
  prepare: 'Prepare',
  start: 'Start',
  copy: 'Copy',
  stop: 'Stop',
  wal: 'WAL',
  verify: 'Verify',
  replay: 'Replay',
  promote: 'Promote',
  check: 'Check',
  commit: 'Commit',
};

const restoreStates: Record<RestoreState, string> = {
  planned: 'Planned',
  awaitingApproval: 'Awaiting approval',
  placing: 'Placing',
  running: 'Running',
  validating: 'Validating',
  handingOver: 'Handing over',
  done: 'Done',
  failed: 'Failed',
  cancelled: 'Cancelled',
  expired: 'Expired',
  rejected: 'Rejected',
};

const drillVerdicts: Record<DrillVerdict, string> = {
  passed: 'Passed',
  failed: 'Failed',
  cancelled: 'Cancelled',
};

const backupStates: Record<BackupState, string> = {
  running: 'Running',
  available: 'Available',
  failed: 'Failed',
  condemned: 'Condemned',
  deleted: 'Deleted',
};

const backupKinds: Record<BackupKind, string> = {
  full: 'Full',
  incremental: 'Incremental',
  logical: 'Dump',
};

const approvalStates: Record<ApprovalState, string> = {
  pending: 'Pending',
  executed: 'Done',
  rejected: 'Rejected',
  expired: 'Expired',
  cancelled: 'Taken back',
  failed: 'Failed',
};

export const work = {
  jobStates,
  jobKinds,
  phases,
  restoreStates,
  drillVerdicts,
  backupStates,
  backupKinds,
  approvalStates,
  more: 'Show more',
  readingMore: 'Reading…',
  count: (count: string, more: boolean) => (more ? `the newest ${count}` : `${count} in all`),
  phaseTook: (phase: string, took: string) => `${phase}: ${took}`,
  phasesLabel: 'Where the time went',
  rate: (rate: string) => `${rate}/s`,
  ofBytes: (done: string, total: string) => `${done} of ${total}`,
  doneBytes: (done: string) => `${done} so far`,
  left: (duration: string) => `about ${duration} left in this phase`,
  progressOf: (what: string) => `Progress of ${what}`,
  passedCheck: 'passed',
  failedCheck: 'failed',
  asked: {
    title: 'Nothing is done yet: others must consent',
    about: 'The request holds exactly this act. With the last consent needed it is done.',
    see: 'See the request',
  },
  reason: 'Reason',
  reasonHelp: 'For the record, and for those who have to consent.',
  anyCluster: 'Any cluster',
  filters: 'Filters',
  noPermission: 'Not among what your role may do',
};
