/**
 * What alarms and the audit log are about: `clusters/orders/agents/db1`. Each pair names
 * a list and one of it; those that have a page are links.
 */
export interface SubjectPart {
  /** The plural, as the API names it. */
  kind: string;
  name: string;
  /** A page of the console. */
  page: SubjectPage | undefined;
}

export interface SubjectPage {
  to: string;
  search?: Record<string, string>;
}

const path = encodeURIComponent;
const administration = (tab: string) => () => ({ to: '/administration', search: { tab } });

const PAGES: Record<string, (name: string) => SubjectPage> = {
  agents: (name) => ({ to: `/agents/${path(name)}` }),
  alarms: (alarm) => ({ to: '/alarms', search: { alarm } }),
  approvals: (id) => ({ to: `/approvals/${path(id)}` }),
  backups: (id) => ({ to: `/catalog/${path(id)}` }),
  clusters: (name) => ({ to: `/clusters/${path(name)}` }),
  drills: (id) => ({ to: `/drills/${path(id)}` }),
  fleets: (name) => ({ to: `/fleets/${path(name)}` }),
  jobs: (name) => ({ to: `/jobs/${path(name)}` }),
  nodes: administration('nodes'),
  'notification-channels': (channel) => ({
    to: '/administration',
    search: { tab: 'channels', channel },
  }),
  policies: (name) => ({ to: `/policies/${path(name)}` }),
  reports: () => ({ to: '/reports' }),
  repositories: (name) => ({ to: `/repositories/${path(name)}` }),
  restores: (id) => ({ to: `/restores/${path(id)}` }),
  'role-bindings': administration('access'),
  secrets: administration('secrets'),
  silences: () => ({ to: '/alarms', search: { tab: 'silences' } }),
  'state-snapshots': administration('snapshots'),
  tokens: administration('tokens'),
  users: administration('users'),
};

export function partsOf(subject: string): SubjectPart[] {
  const words = subject.split('/');
  const parts: SubjectPart[] = [];
  for (let at = 0; at < words.length; at += 2) {
    const kind = words[at] ?? '';
    const name = words[at + 1] ?? '';
    parts.push({ kind, name, page: name === '' ? undefined : PAGES[kind]?.(name) });
  }
  return parts;
}
