import { Check } from 'lucide-react';
import type { Approval } from '../../api/queries/approvals';
import { cx } from '../../ui/cx';
import { words } from '../../words';

/** A place for each consent that is needed. */
export function Consents({ request }: { request: Approval }) {
  const { needed, approved } = request;
  return (
    <span className="flex items-center gap-2">
      <span aria-hidden className="flex gap-1">
        {Array.from({ length: needed }, (_, index) => (
          <span
            key={index}
            className={cx(
              'flex size-5 items-center justify-center rounded-full border-2',
              index < approved
                ? 'border-ok-mark bg-ok-soft text-ok'
                : 'border-dashed border-line-strong',
            )}
          >
            {index < approved && <Check className="size-3" strokeWidth={3} />}
          </span>
        ))}
      </span>
      <span className="num text-sm text-ink-2">
        {words.approvals.given(String(approved), String(needed))}
      </span>
    </span>
  );
}
