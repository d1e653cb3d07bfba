/** What a request would change: each document against the one in force, else the command. */
import { useQuery } from '@tanstack/react-query';
import { Minus, Plus } from 'lucide-react';
import type { Approval } from '../../api/queries/approvals';
import { documents } from '../../api/queries/documents';
import { Badge } from '../../ui/Badge';
import { CodeBlock } from '../../ui/Code';
import { cx } from '../../ui/cx';
import { ErrorState, Skeleton } from '../../ui/States';
import { words } from '../../words';
import { documentsOf, pathOf, type DocumentAfter } from './about';
import { canonical, diffLines, type DiffLine } from './diff';

const text = words.approvals.detail;

export function Diff({ request }: { request: Approval }) {
  const changed = documentsOf(request);
  // What was in force before is only known until it is done.
  if (changed.length === 0 || request.state !== 'pending') {
    return (
      <CodeBlock
        label={text.diff}
        text={JSON.stringify(request.command, null, 2)}
        className="max-h-[28rem] overflow-y-auto"
      />
    );
  }
  return (
    <div className="space-y-4">
      {changed.map((document) => (
        <OfDocument key={`${document.kind}/${document.name}`} after={document} />
      ))}
    </div>
  );
}

function OfDocument({ after }: { after: DocumentAfter }) {
  const path = pathOf(after);
  const query = useQuery({ ...documents.at(path ?? ''), enabled: path !== undefined });
  const name = `${after.kind} ${after.name}`;
  if (query.error !== null && query.data === undefined) {
    return <ErrorState compact error={query.error} />;
  }
  if (query.data === undefined && path !== undefined) return <Skeleton className="h-24" />;
  const found = query.data ?? null;
  const before =
    found === null ? '' : canonical({ metadata: named(found.metadata), spec: found.spec });
  const lines = diffLines(before, canonical(after.document)).filter(
    ({ kind, text: line }) => kind !== 'removed' || line !== '',
  );
  return (
    <section aria-label={name} className="overflow-hidden rounded-md border border-line">
      <h3 className="flex items-center gap-2 border-b border-line bg-sunken px-3 py-1.5 font-medium">
        {name}
        {found === null && <Badge tone="info">{text.created}</Badge>}
      </h3>
      <ol
        // It scrolls, so keys must reach it.
        tabIndex={0}
        aria-label={text.diff}
        className="scroll-quiet max-h-[28rem] overflow-auto py-1.5 font-mono text-[0.8125rem] leading-5"
      >
        {lines.map((line, index) => (
          <Line key={index} line={line} />
        ))}
      </ol>
    </section>
  );
}

function named(metadata: Record<string, unknown>) {
  // The API writes the default fleet out; the document need not.
  const { fleet, ...rest } = metadata;
  return fleet === 'default' ? rest : metadata;
}

function Line({ line: { kind, text: said } }: { line: DiffLine }) {
  const Icon = kind === 'added' ? Plus : Minus;
  return (
    <li
      className={cx(
        'flex gap-2 px-3 whitespace-pre',
        kind === 'added' && 'bg-ok-soft text-ok',
        kind === 'removed' && 'bg-bad-soft text-bad',
        kind === 'same' && 'text-ink-2',
      )}
    >
      <span className="mt-1 w-3 shrink-0">
        {kind !== 'same' && (
          <>
            <Icon aria-hidden className="size-3" strokeWidth={3} />
            <span className="sr-only">{kind === 'added' ? text.after : text.before}</span>
          </>
        )}
      </span>
      <span>{said}</span>
    </li>
  );
}
