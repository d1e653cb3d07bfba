/** How a repository compares with the catalog, in a word. */
import { CircleCheck, CircleDashed, CircleX, RefreshCw, SearchX } from 'lucide-react';
import type { Findings } from '../../api/queries/repositories';
import { StatusPill } from '../../ui/Badge';
import { words } from '../../words';

const text = words.repositories;

export function FoundPill({ findings }: { findings: Findings }) {
  const { requestedAt, error, scannedAt, items } = findings;
  if (requestedAt !== null && requestedAt !== undefined) {
    return (
      <StatusPill tone="info" icon={RefreshCw}>
        {text.underWay}
      </StatusPill>
    );
  }
  if (error !== null && error !== undefined) {
    return (
      <StatusPill tone="warn" icon={SearchX}>
        {text.unread}
      </StatusPill>
    );
  }
  if (scannedAt === null || scannedAt === undefined) {
    return (
      <StatusPill tone="unknown" icon={CircleDashed}>
        {text.never}
      </StatusPill>
    );
  }
  return items.length === 0 ? (
    <StatusPill tone="ok" icon={CircleCheck}>
      {text.same}
    </StatusPill>
  ) : (
    <StatusPill tone="bad" icon={CircleX}>
      {text.findings(items.length)}
    </StatusPill>
  );
}
