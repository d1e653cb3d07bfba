/** Words of the overview. */
const are = (count: number, one: string, more: string) => (count === 1 ? one : more);

export const overview = {
  title: 'Overview',
  /** The truth in one sentence. */
  sentence: {
    over: (over: string, all: string, count: number) =>
      `${over} of ${all} clusters could lose more than ${are(count, 'its', 'their')} RPO now`,
    overOnly: 'The only cluster could lose more than its RPO now',
    none: (all: string, count: number) =>
      count === 1
        ? 'The only cluster would lose no more than its RPO now'
        : `None of ${all} clusters could lose more than its RPO now`,
    withoutRpo: (all: string, count: number) =>
      count === 1 ? 'The only cluster has no RPO yet' : `None of ${all} clusters has an RPO yet`,
  },
  more: {
    unprotected: (count: string, number: number) =>
      `${count} ${are(number, 'has', 'have')} no protection`,
    servers: (count: string, number: number) =>
      `${count} ${are(number, 'server was', 'servers were')} found that nobody declared`,
    unknown: (count: string) => `of ${count} it is not known`,
    atRisk: (count: string, number: number) => `${count} ${are(number, 'is', 'are')} close to it`,
    exempt: (count: string, number: number) => `${count} ${are(number, 'is', 'are')} excused`,
  },
  and: ' and ',
  verdicts: 'Clusters by verdict',
  share: (count: string, verdict: string) => `${count} ${verdict}`,
  worst: {
    title: 'Worst exposures',
    about: 'Who would lose most, measured by what they may lose.',
    cluster: 'Cluster',
    state: 'State',
    loss: 'Would lose',
    cause: 'Cause',
    times: (times: string) => `${times} × RPO`,
    all: 'All clusters by exposure',
    none: 'Nobody is exposed yet',
    noneAbout: 'Exposure is known as soon as a cluster has a policy with an RPO.',
  },
  unprotected: {
    title: 'Not protected',
    about: (instances: string, clusters: string) => `${instances}, ${clusters}`,
    instances: (count: string, number: number) =>
      number === 1 ? '1 server that nobody declared' : `${count} servers that nobody declared`,
    clusters: (count: string, number: number) =>
      number === 1 ? '1 cluster without a policy' : `${count} clusters without a policy`,
    server: (version: string | undefined, port: number | undefined) =>
      ['PostgreSQL', version, port !== undefined && `on port ${port}`]
        .filter((part) => typeof part === 'string')
        .join(' '),
    foundBy: (agents: string) => `found by ${agents}`,
    seenBy: (agents: string) => `seen by ${agents} agents`,
    notDeclared: 'nobody declared it',
    noPolicy: 'no policy selects it',
    found: 'found',
    all: 'All that is not protected',
  },
  violations: {
    title: 'Above the RPO now',
    for: 'for',
    all: 'All violations',
    none: 'Nobody is above the RPO',
  },
  work: {
    title: 'Work under way',
    running: (count: string) => `${count} running`,
    queued: (count: string) => `${count} waiting`,
    none: 'Nothing runs and nothing waits',
    all: 'All jobs',
  },
  alarms: {
    title: 'Alarms',
    all: 'All alarms',
    taken: (by: string) => `taken on by ${by}`,
  },
  drills: {
    title: 'Proof by drills',
    about: 'Only a restore proves a backup.',
    proven: 'Proved',
    no_drill: 'No drill yet',
    drill_failed: 'The newest failed',
    drill_too_old: 'Too long ago',
    of: (count: string, all: string) => `${count} of ${all}`,
    all: 'All drills',
  },
  control: {
    title: 'Control plane',
    nodes: 'Nodes',
    healthy: (reachable: string, all: string) => `${reachable} of ${all} answer`,
    leads: 'leads',
    follows: 'follows',
    behind: (count: string) => `${count} behind`,
    silent: 'does not answer',
    version: 'Version',
    agents: 'Agents',
    online: (count: string) => `${count} online`,
    offline: (count: string) => `${count} offline`,
    state: 'Its own state',
    safe: 'safe',
    late: 'snapshot is late',
    unsafe: 'not backed up',
    unsafeAbout: 'Say where snapshots of the control plane go.',
    taken: 'snapshot',
    never: 'no snapshot yet',
    all: 'Administration',
  },
  empty: {
    title: 'Nothing is protected yet',
    about:
      'Three steps lead to the first verified backup. Each takes a minute, and this page shows the truth from then on.',
    steps: [
      { title: 'Enrol an agent', about: 'on the host of a PostgreSQL server', to: '/agents' },
      {
        title: 'Declare a repository and a policy',
        about: 'where backups go, and what is promised',
        to: '/policies',
      },
      { title: 'Declare the cluster', about: 'its first backup follows', to: '/clusters' },
    ],
  },
};
