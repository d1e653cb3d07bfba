import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { z } from 'zod';
import { frameRoute } from '../../frame/route';
import { flag, text } from '../../search/search';
import { words } from '../../words';

/** The draft is the URL, as in the wizard of restores: it can be kept and gone on with. */
const search = z.object({
  cluster: text(),
  /** The newest available dump when it is not said. */
  backup: text(),
  database: text(),
  into: text(),
  /** On the primary of which cluster. */
  to: text(),
  owner: text(),
  noPrivileges: flag(),
  jobs: z.number().int().optional().catch(undefined),
});
export type DumpDraft = z.infer<typeof search>;

export const dumpRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: '/restores/dump',
  staticData: {
    under: { text: words.restores.title, href: '/restores' },
    crumb: words.dumps.crumb,
  },
  validateSearch: search,
  component: lazyRouteComponent(() => import('./DumpPage'), 'DumpPage'),
});
