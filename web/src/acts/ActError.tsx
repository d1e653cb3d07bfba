/** Why an act was not done; when it waits for others, that is no error. */
import { Link } from '@tanstack/react-router';
import { ClipboardCheck } from 'lucide-react';
import { isApiError } from '../api/problem';
import { Button } from '../ui/Button';
import { ErrorState } from '../ui/States';
import { words } from '../words';

const text = words.acts;

export function ActError({ error }: { error: unknown }) {
  if (error === null || error === undefined) return null;
  if (!isApiError(error) || error.approval === undefined) {
    return <ErrorState compact error={error} />;
  }
  return (
    <div role="alert" className="flex items-start gap-3 rounded-lg bg-info-soft p-3 text-ink">
      <ClipboardCheck aria-hidden className="mt-0.5 size-5 shrink-0 text-info" />
      <div className="min-w-0 flex-1">
        <p className="font-semibold text-info">{text.waiting}</p>
        <p className="text-ink-2">{text.waitingAbout}</p>
      </div>
      <Button asChild size="sm">
        <Link to="/approvals/$approval" params={{ approval: error.approval }}>
          {text.toApproval}
        </Link>
      </Button>
    </div>
  );
}
