import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { z } from 'zod';
import { frameRoute } from '../../frame/route';
import { choice, flag, text } from '../../search/search';
import { words } from '../../words';
import { RANGES } from '../cluster/coverage/range';

export const STEPS = ['source', 'point', 'target', 'plan'] as const;
export type Step = (typeof STEPS)[number];

/**
 * The draft is the URL: it can be kept, sent to somebody else, and gone on with after the
 * browser is gone. Nothing of it is anywhere else.
 */
const search = z.object({
  step: choice(STEPS),
  cluster: text(),
  rehearse: flag(),
  /** As the API takes it: latest, a time, lsn:X, xid:N, name:S, immediate, backup:ID. */
  at: text(),
  exclusive: flag(),
  agent: text(),
  region: text(),
  dir: text(),
  start: flag(),
  port: z.number().int().min(1).max(65_535).optional().catch(undefined),
  action: choice(['promote', 'pause', 'standby']),
  repository: text(),
  delta: flag(),
  force: flag(),
  set: text(),
  tablespaces: text(),
  checks: text(),
  /** pg_amcheck as a check besides the queries. */
  amcheck: flag(),
  hooks: text(),
  register: text(),
  fleet: text(),
  labels: text(),
  webhooks: text(),
  secret: text(),
  /** What of the band is shown. */
  range: choice(RANGES),
  from: text(),
  to: text(),
});
export type Draft = z.infer<typeof search>;

export const wizardRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: '/restores/new',
  staticData: {
    under: { text: words.restores.title, href: '/restores' },
    crumb: words.restores.begin,
  },
  validateSearch: search,
  component: lazyRouteComponent(() => import('./WizardPage'), 'WizardPage'),
});
