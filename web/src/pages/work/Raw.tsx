/** A record as the API has it: for those who look for a field, folded for all others. */
import { ChevronRight } from 'lucide-react';
import { CodeBlock } from '../../ui/Code';

export function Raw({ title, label, record }: { title: string; label: string; record: unknown }) {
  return (
    <details className="group">
      <summary className="flex w-fit cursor-pointer list-none items-center gap-1 rounded-sm text-sm font-medium text-ink-2 hover:text-ink [&::-webkit-details-marker]:hidden">
        <ChevronRight
          aria-hidden
          className="size-4 shrink-0 transition-transform group-open:rotate-90"
        />
        {title}
      </summary>
      <CodeBlock
        label={label}
        text={JSON.stringify(record, null, 2)}
        className="mt-2 max-h-96 overflow-y-auto"
      />
    </details>
  );
}
