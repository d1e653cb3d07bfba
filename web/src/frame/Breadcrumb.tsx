/** Where one is; also the title of the document. */
import { Link, useMatches } from '@tanstack/react-router';
import { ChevronRight } from 'lucide-react';
import { useEffect } from 'react';
import { cx } from '../ui/cx';
import { words } from '../words';

interface Crumb {
  text: string;
  href: string;
}

function useCrumbs(): Crumb[] {
  const matches = useMatches();
  const crumbs: Crumb[] = [];
  for (const { staticData, params, pathname } of matches) {
    const { crumb, under } = staticData;
    if (under !== undefined) crumbs.push(under);
    if (crumb === undefined) continue;
    const text = typeof crumb === 'string' ? crumb : crumb(params);
    crumbs.push({ text, href: pathname });
  }
  return crumbs;
}

export function Breadcrumb() {
  const crumbs = useCrumbs();
  const title = [...crumbs.map(({ text }) => text).toReversed(), words.common.product].join(' · ');
  useEffect(() => {
    document.title = title;
  }, [title]);
  return (
    <nav aria-label={words.frame.breadcrumb} className="min-w-0 flex-1">
      <ol className="flex min-w-0 items-center gap-1">
        {crumbs.map(({ text, href }, index) => {
          const last = index === crumbs.length - 1;
          // The rail and the title below say it already, where the rail is in sight.
          const alone = crumbs.length === 1;
          return (
            <li key={href} className={cx('flex items-center gap-1', last ? 'min-w-0' : 'shrink-0')}>
              {index > 0 && <ChevronRight aria-hidden className="size-4 shrink-0 text-ink-3" />}
              {last ? (
                <span
                  aria-current="page"
                  className={cx('truncate font-medium', alone && 'lg:sr-only')}
                >
                  {text}
                </span>
              ) : (
                <Link
                  to={href}
                  className="truncate rounded-sm text-ink-2 hover:text-ink hover:underline"
                >
                  {text}
                </Link>
              )}
            </li>
          );
        })}
      </ol>
    </nav>
  );
}
