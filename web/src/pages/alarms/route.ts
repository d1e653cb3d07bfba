import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { z } from 'zod';
import { alarms } from '../../api/queries/alarms';
import { frameRoute } from '../../frame/route';
import { choice, sortBy, text } from '../../search/search';
import { words } from '../../words';

export const ALARM_TABS = ['open', 'acknowledged', 'closed', 'silences'] as const;
export const SEVERITIES = ['critical', 'warning', 'info'] as const;
export const RULES = [
  'exposure_violated',
  'exposure_unknown',
  'unprotected',
  'agent_absent',
  'wal_trouble',
  'gap',
  'copy_lag',
  'slot_trouble',
  'no_drill',
  'run_missed',
  'no_run',
  'job_failed',
  'approval_waiting',
  'certificate_expiring',
  'channel_failing',
  'node_lost',
] as const;

const search = z.object({
  tab: choice(ALARM_TABS),
  rule: choice(RULES),
  severity: choice(SEVERITIES),
  fleet: text(),
  cluster: text(),
  /** The one that is open beside the list. */
  alarm: text(),
  sort: sortBy(['alarm', 'about', 'since', 'state']),
});
export type AlarmSearch = z.infer<typeof search>;

export const alarmsRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: '/alarms',
  staticData: { crumb: words.alarms.title },
  validateSearch: search,
  loaderDeps: ({ search: { rule, severity, fleet, cluster } }) => ({
    rule,
    severity,
    fleet,
    cluster,
  }),
  loader: ({ context: { queryClient }, deps }) => {
    void queryClient.prefetchInfiniteQuery(alarms.list({ state: 'open', ...deps }));
  },
  component: lazyRouteComponent(() => import('./AlarmsPage'), 'AlarmsPage'),
});
