import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { z } from 'zod';
import { frameRoute } from '../../frame/route';
import { choice, flag, sortBy, text } from '../../search/search';
import { words } from '../../words';
import { TARGETS } from './budget';

export const VIEWS = ['heatmap', 'violations', 'exemptions'] as const;
export const PERIODS = ['7', '14', '30', '90'] as const;

/** Numbers come from URLs as numbers. */
const number = <const T extends readonly [string, ...string[]]>(values: T) =>
  z.preprocess((value) => (typeof value === 'number' ? String(value) : value), choice(values));

const search = z.object({
  tab: choice(VIEWS),
  days: number(PERIODS),
  fleet: text(),
  cluster: text(),
  target: number(TARGETS),
  order: choice(['budget', 'name']),
  open: flag(),
  inForce: flag(),
  sort: sortBy(['cluster', 'started', 'lasted', 'highest', 'cause']),
});
export type ComplianceSearch = z.infer<typeof search>;

export const complianceRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: '/compliance',
  staticData: { crumb: words.compliance.title },
  validateSearch: search,
  component: lazyRouteComponent(() => import('./CompliancePage'), 'CompliancePage'),
});
