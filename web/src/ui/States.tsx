/** What a place shows when there is nothing yet, or nothing to show: it says why and what next. */
import { CircleX, RotateCw, type LucideIcon } from 'lucide-react';
import type { ReactNode } from 'react';
import { isApiError } from '../api/problem';
import { words } from '../words';
import { Button } from './Button';
import { cx } from './cx';

export function EmptyState({
  icon: Icon,
  title,
  children,
  actions,
}: {
  icon: LucideIcon;
  title: string;
  /** What would be here, and how it gets here. */
  children?: ReactNode;
  actions?: ReactNode;
}) {
  return (
    <div className="mx-auto flex max-w-lg flex-col items-center px-6 py-14 text-center">
      <span className="mb-4 flex size-12 items-center justify-center rounded-xl bg-accent-soft text-accent">
        <Icon aria-hidden className="size-6" strokeWidth={1.75} />
      </span>
      <h2 className="text-lg font-semibold">{title}</h2>
      {children !== undefined && <div className="mt-1.5 space-y-3 text-ink-2">{children}</div>}
      {actions !== undefined && (
        <div className="mt-5 flex flex-wrap justify-center gap-2">{actions}</div>
      )}
    </div>
  );
}

/** An error whole: what happened, what to do, its code and page, and by which it is found. */
export function ErrorState({
  error,
  retry,
  compact = false,
}: {
  error: unknown;
  retry?: (() => void) | undefined;
  /** In a form or card rather than instead of a page. */
  compact?: boolean;
}) {
  const shown = describe(error);
  return (
    <div
      role="alert"
      className={cx(
        'rounded-lg border border-line bg-bad-soft text-ink',
        compact ? 'p-3' : 'mx-auto mt-8 max-w-2xl p-5',
      )}
    >
      <div className="flex items-start gap-3">
        <CircleX aria-hidden className="mt-0.5 size-5 shrink-0 text-bad" />
        <div className="min-w-0 flex-1 space-y-1.5">
          <p className="font-semibold text-bad">{shown.message}</p>
          {shown.hint !== '' && <p>{shown.hint}</p>}
          <p className="flex flex-wrap items-center gap-x-3 gap-y-1 text-sm text-ink-2">
            {shown.page === undefined ? (
              <code className="text-xs">{shown.code}</code>
            ) : (
              <a
                href={shown.page}
                target="_blank"
                rel="noreferrer"
                className="font-medium text-ink underline underline-offset-2"
              >
                {words.errors.explain} <code className="text-xs">{shown.code}</code>
              </a>
            )}
            {shown.requestId !== undefined && (
              <span>
                {words.errors.request} <code className="text-xs">{shown.requestId}</code>
              </span>
            )}
          </p>
        </div>
        {retry !== undefined && (
          <Button size="sm" icon={RotateCw} onClick={retry}>
            {words.common.retry}
          </Button>
        )}
      </div>
    </div>
  );
}

function describe(error: unknown) {
  if (isApiError(error)) {
    const { code, hint, page, requestId } = error;
    return { message: error.message, hint, code, page, requestId };
  }
  return {
    message: words.errors.console.message,
    hint: words.errors.console.hint,
    code: error instanceof Error ? error.message : String(error),
    page: undefined,
    requestId: undefined,
  };
}

/** Holds the place of what is read; one `Skeleton` a line. */
export function Skeleton({ className }: { className?: string }) {
  return (
    <span
      aria-hidden
      className={cx('block h-4 animate-pulse-soft rounded-sm bg-hover', className)}
    />
  );
}
