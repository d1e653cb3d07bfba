/** Words of the frame: navigation, top bar, banners, command palette. */
export const frame = {
  skip: 'Skip to content',
  navigation: 'Main navigation',
  openNavigation: 'Open navigation',
  collapse: 'Collapse navigation',
  expand: 'Expand navigation',
  breadcrumb: 'Breadcrumb',
  groups: {
    protect: 'Protect',
    restore: 'Restore',
    watch: 'Watch',
    run: 'Run',
  },
  pages: {
    overview: 'Overview',
    compliance: 'Compliance',
    clusters: 'Clusters',
    fleets: 'Fleets',
    policies: 'Policies',
    jobs: 'Jobs',
    catalog: 'Catalog',
    restores: 'Restores',
    drills: 'Drills',
    reports: 'Reports',
    alarms: 'Alarms',
    repositories: 'Repositories',
    agents: 'Agents',
    approvals: 'Approvals',
    audit: 'Audit',
    administration: 'Administration',
  },
  alarms: (count: number) =>
    count === 0 ? 'No open alarms' : count === 1 ? '1 open alarm' : `${count} open alarms`,
  asOf: (clock: string) => `as of ${clock}`,
  live: 'Live',
  liveAbout: 'What changes is shown by itself.',
  polling: 'Not live',
  pollingAbout: 'The event stream is interrupted; the page asks every 15 seconds.',
  stale: 'Stale',
  connecting: 'Connecting',
  banner: {
    down: 'Live updates are interrupted. The page asks every 15 seconds until they are back.',
    unavailable: (clock: string) =>
      `The control plane has no quorum or no leader, and answers nothing it cannot prove. What you see is as of ${clock}.`,
    unreachable: (clock: string) =>
      `The control plane does not answer. What you see is as of ${clock}.`,
    never: 'an earlier time',
  },
  user: {
    menu: (name: string) => `Account of ${name}`,
    theme: 'Theme',
    light: 'Light',
    dark: 'Dark',
    system: 'As the system',
    logout: 'Log out',
    logoutEverywhere: 'Log out everywhere',
    everywhereTitle: 'Log out everywhere?',
    everywhereAbout:
      'Every login of this account ends, in all browsers and of the command line. API tokens stay.',
    logoutFailed: 'You are still logged in',
  },
};

export const palette = {
  title: 'Search and commands',
  open: 'Search',
  placeholder: 'Go to a page or a cluster, or do something…',
  results: 'Results',
  none: 'Nothing matches. Try the name of a page or of a cluster.',
  groups: { pages: 'Pages', clusters: 'Clusters', actions: 'Actions' },
  actions: {
    light: 'Light theme',
    dark: 'Dark theme',
    system: 'Theme as the system',
    logout: 'Log out',
  },
  keys: { move: 'move', choose: 'open', close: 'close' },
};
