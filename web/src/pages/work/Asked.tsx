/** What an act came to when it was not simply done: it waits for others, or it failed. */
import { UserCheck } from 'lucide-react';
import { isApiError } from '../../api/problem';
import { ErrorState } from '../../ui/States';
import { words } from '../../words';
import { ApprovalLink } from './links';

const text = words.work.asked;

/** The request for approval that waits, when that is why nothing was done. */
export function approvalOf(error: unknown): string | undefined {
  return isApiError(error) && error.code === 'approval_pending' ? error.approval : undefined;
}

export function ActOutcome({ error }: { error: unknown }) {
  const approval = approvalOf(error);
  if (approval === undefined) return <ErrorState compact error={error} />;
  return (
    <div role="status" className="flex gap-2.5 rounded-lg border border-line bg-warn-soft p-3">
      <UserCheck aria-hidden className="mt-0.5 size-5 shrink-0 text-warn" />
      <div className="min-w-0 space-y-1">
        <p className="font-semibold text-warn">{text.title}</p>
        <p>{isApiError(error) ? error.message : text.about}</p>
        <ApprovalLink id={approval}>{text.see}</ApprovalLink>
      </div>
    </div>
  );
}
