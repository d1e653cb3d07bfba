/** The root of all routes: what they share, and what is shown when one fails. */
import type { QueryClient } from '@tanstack/react-query';
import {
  Link,
  Outlet,
  createRootRouteWithContext,
  type ErrorComponentProps,
} from '@tanstack/react-router';
import { MapPinOff } from 'lucide-react';
import { Button } from '../ui/Button';
import { EmptyState, ErrorState } from '../ui/States';
import { Toasts } from '../ui/Toast';
import { words } from '../words';

declare module '@tanstack/react-router' {
  interface StaticDataRouteOption {
    /** Its name in the breadcrumb and in the title; of its parameters where it has some. */
    crumb?: string | ((params: Record<string, string>) => string);
    /** The list that a detail belongs to, before it in the breadcrumb. */
    under?: { text: string; href: string };
  }
}

export interface RouterContext {
  queryClient: QueryClient;
}

export const rootRoute = createRootRouteWithContext<RouterContext>()({
  component: Root,
  errorComponent: RouteError,
  notFoundComponent: NotFound,
});

/** Notes may have links: they are within the router. */
function Root() {
  return (
    <>
      <Outlet />
      <Toasts />
    </>
  );
}

export function RouteError({ error, reset }: ErrorComponentProps) {
  return (
    <div className="p-4">
      <ErrorState error={error} retry={reset} />
    </div>
  );
}

export function NotFound() {
  return (
    <EmptyState
      icon={MapPinOff}
      title={words.errors.notFound.title}
      actions={
        <Button asChild variant="primary">
          <Link to="/">{words.errors.notFound.home}</Link>
        </Button>
      }
    >
      <p>{words.errors.notFound.about}</p>
    </EmptyState>
  );
}
