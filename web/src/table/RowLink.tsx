/**
 * A link in a table of thousands: an ordinary `<a>` that the router follows. The router's
 * own Link listens to every change of the address and works its own out anew each time;
 * hundreds of those take longer than a frame.
 */
import { useRouter } from '@tanstack/react-router';
import { useEffect, useRef, type MouseEvent, type ReactNode } from 'react';

/** So long a pointer rests on a link before its page is read ahead. */
const INTENT_MILLISECONDS = 80;

export function RowLink({
  href,
  search,
  className,
  children,
}: {
  /** A path of the console, with what is in names escaped: see `pathOf`. */
  href: string;
  /** What it makes of the page's search instead, when it is followed here. */
  search?: (before: Record<string, unknown>) => Record<string, unknown>;
  className?: string;
  children: ReactNode;
}) {
  const router = useRouter();
  const intent = useRef<ReturnType<typeof setTimeout>>(undefined);
  const forget = () => clearTimeout(intent.current);
  useEffect(() => forget, []);
  const follow = (event: MouseEvent) => {
    const elsewhere = event.metaKey || event.ctrlKey || event.shiftKey || event.altKey;
    if (event.defaultPrevented || event.button !== 0 || elsewhere) return;
    event.preventDefault();
    void router.navigate(search === undefined ? { href } : { to: '.', search: search as never });
  };
  return (
    <a
      href={href}
      className={className}
      onClick={follow}
      onPointerEnter={() => {
        forget();
        if (search !== undefined) return;
        const preload = () => void router.preloadRoute({ to: href as never });
        intent.current = setTimeout(preload, INTENT_MILLISECONDS);
      }}
      onPointerLeave={forget}
    >
      {children}
    </a>
  );
}

/** `/clusters/orders` of `clusters`, `orders`. */
export function pathOf(...parts: readonly string[]): string {
  return parts.map((part) => `/${encodeURIComponent(part)}`).join('');
}
