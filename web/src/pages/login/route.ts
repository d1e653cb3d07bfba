import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { z } from 'zod';
import { rootRoute } from '../../frame/root';

/** Only our own addresses: a link to the login must not lead anywhere else. */
const ownAddress = z
  .string()
  .regex(/^\/(?![/\\])/)
  .optional()
  .catch(undefined);

export const loginRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/login',
  validateSearch: z.object({ return: ownAddress }),
  component: lazyRouteComponent(() => import('./LoginPage'), 'LoginPage'),
});
