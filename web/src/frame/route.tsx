/** The frame around every page but the login; whoever is nobody is sent to log in. */
import { createRoute, redirect } from '@tanstack/react-router';
import { isApiError } from '../api/problem';
import { access } from '../api/queries/access';
import { Frame } from './Frame';
import { NotFound, RouteError, rootRoute } from './root';

export const frameRoute = createRoute({
  getParentRoute: () => rootRoute,
  id: 'frame',
  beforeLoad: async ({ context, location }) => {
    try {
      await context.queryClient.ensureQueryData(access.me());
    } catch (error) {
      if (!isApiError(error) || !error.unauthenticated) throw error;
      throw redirect({ to: '/login', search: { return: location.href } });
    }
  },
  component: Frame,
  errorComponent: RouteError,
  notFoundComponent: NotFound,
});
