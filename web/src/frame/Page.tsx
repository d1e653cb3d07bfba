/** What every page begins with: its title, a sentence, its actions; and its measures. */
import type { ReactNode } from 'react';
import { cx } from '../ui/cx';

export function Page({
  title,
  about,
  actions,
  children,
  /** The page fills the height and scrolls inside, as long lists do. */
  fill = false,
}: {
  title: ReactNode;
  about?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
  fill?: boolean;
}) {
  return (
    <div
      className={cx(
        'mx-auto flex w-full max-w-[112rem] flex-col px-4 pt-5 sm:px-6',
        fill ? 'h-full pb-4' : 'pb-10',
      )}
    >
      <header className="mb-4 flex flex-wrap items-start gap-x-4 gap-y-3">
        <div className="min-w-[min(100%,17rem)] flex-1">
          <h1 className="text-2xl font-semibold tracking-tight">{title}</h1>
          {about !== undefined && <p className="mt-0.5 text-ink-2">{about}</p>}
        </div>
        {actions !== undefined && (
          <div className="flex flex-wrap items-center gap-2">{actions}</div>
        )}
      </header>
      {children}
    </div>
  );
}
