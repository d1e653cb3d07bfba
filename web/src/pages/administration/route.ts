import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { z } from 'zod';
import { frameRoute } from '../../frame/route';
import { choice, text } from '../../search/search';
import { words } from '../../words';

export const ADMIN_TABS = [
  'users',
  'tokens',
  'access',
  'channels',
  'secrets',
  'nodes',
  'snapshots',
  'sso',
] as const;

export const DELIVERY_STATES = ['pending', 'sent', 'failed'] as const;

const search = z.object({
  tab: choice(ADMIN_TABS),
  /** The channel whose deliveries are shown. */
  channel: text(),
  deliveries: choice(DELIVERY_STATES),
});
export type AdministrationSearch = z.infer<typeof search>;

export const administrationRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: '/administration',
  staticData: { crumb: words.administration.title },
  validateSearch: search,
  component: lazyRouteComponent(() => import('./AdministrationPage'), 'AdministrationPage'),
});
