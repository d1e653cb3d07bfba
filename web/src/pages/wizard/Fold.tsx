/** What most need not see: folded, unless something of it is said or wrong. */
import { ChevronRight } from 'lucide-react';
import { useState, type ReactNode } from 'react';
import { Card } from '../../ui/Card';
import { Badge } from '../../ui/Badge';

export function Fold({
  title,
  about,
  said,
  open: must,
  children,
}: {
  title: string;
  about: string;
  /** How much of it is said. */
  said: string | undefined;
  /** Something in it is wrong: it has to be seen. */
  open: boolean;
  children: ReactNode;
}) {
  const [chosen, setChosen] = useState(said !== undefined);
  return (
    <Card>
      <details
        open={chosen || must}
        onToggle={(event) => setChosen(event.currentTarget.open)}
        className="group"
      >
        <summary className="flex cursor-pointer list-none items-start gap-2 rounded-lg px-4 py-3.5 [&::-webkit-details-marker]:hidden">
          <ChevronRight
            aria-hidden
            className="mt-0.5 size-4 shrink-0 text-ink-3 transition-transform group-open:rotate-90"
          />
          <span className="min-w-0 flex-1">
            <span className="block font-semibold">{title}</span>
            <span className="block text-sm text-ink-2">{about}</span>
          </span>
          {said !== undefined && <Badge tone="info">{said}</Badge>}
        </summary>
        <div className="space-y-4 px-4 pt-1 pb-4">{children}</div>
      </details>
    </Card>
  );
}
