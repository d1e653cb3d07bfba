/** What the cards of the overview share. */
import { Link } from '@tanstack/react-router';
import { ArrowRight } from 'lucide-react';
import type { ReactNode } from 'react';
import { Card } from '../../ui/Card';

export const LINK = 'rounded-sm font-medium underline-offset-4 hover:underline';

/** A card with a title and the way to the whole list. */
export function OverviewCard({
  title,
  about,
  to,
  search,
  all,
  children,
}: {
  title: string;
  about?: ReactNode;
  to: string;
  search?: Record<string, unknown>;
  all: string;
  children: ReactNode;
}) {
  return (
    <Card aria-label={title} className="overflow-hidden">
      <header className="flex items-start gap-3 px-4 pt-3.5 pb-2.5">
        <div className="min-w-0 flex-1">
          <h2 className="text-base font-semibold">{title}</h2>
          {about !== undefined && <p className="text-sm text-ink-2">{about}</p>}
        </div>
        <Link
          to={to}
          search={(search ?? {}) as never}
          aria-label={all}
          title={all}
          className="-m-1 flex size-7 shrink-0 items-center justify-center rounded-md text-ink-3 hover:bg-hover hover:text-ink"
        >
          <ArrowRight aria-hidden className="size-4" />
        </Link>
      </header>
      {children}
    </Card>
  );
}
