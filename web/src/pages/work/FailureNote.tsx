/** Why a piece of work failed, whole: what happened, what to do, and the page of its code. */
import { CircleX, TriangleAlert } from 'lucide-react';
import type { Schemas } from '../../api/client';
import { cx } from '../../ui/cx';
import { words } from '../../words';

type Failure = Schemas['Failure'];

export function FailureNote({
  failure,
  tone = 'bad',
  className,
}: {
  failure: Failure;
  tone?: 'bad' | 'warn';
  className?: string;
}) {
  const Icon = tone === 'bad' ? CircleX : TriangleAlert;
  return (
    <div
      className={cx(
        'flex items-start gap-2.5 rounded-md border border-line p-3',
        tone === 'bad' ? 'bg-bad-soft' : 'bg-warn-soft',
        className,
      )}
    >
      <Icon
        aria-hidden
        className={cx('mt-0.5 size-4 shrink-0', tone === 'bad' ? 'text-bad' : 'text-warn')}
      />
      <div className="min-w-0 space-y-1 break-words">
        <p className={cx('font-medium', tone === 'bad' ? 'text-bad' : 'text-warn')}>
          {failure.message}
        </p>
        {failure.hint !== '' && <p>{failure.hint}</p>}
        <ErrorCode code={failure.code} />
      </div>
    </div>
  );
}

export function ErrorCode({ code }: { code: string }) {
  return (
    <p className="text-sm">
      <a
        href={`/errors/${code}`}
        target="_blank"
        rel="noreferrer"
        className="font-medium text-ink underline underline-offset-2"
      >
        {words.errors.explain} <code className="text-xs">{code}</code>
      </a>
    </p>
  );
}
