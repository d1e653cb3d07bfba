/** Words of fleets. */
export const fleets = {
  title: 'Fleets',
  about: 'A fleet is the clusters of one team: the scope of roles and reports.',
  list: {
    fleet: 'Fleet',
    clusters: 'Clusters',
    verdicts: 'By verdict',
    worst: 'Worst',
    labels: 'Labels',
    none: 'no cluster',
    noWorst: 'nothing exposed',
    undeclared: 'not declared',
  },
  count: (count: string, number: number) => (number === 1 ? '1 cluster' : `${count} clusters`),
  create: {
    action: 'New fleet',
    title: 'New fleet',
    name: 'Name',
    nameHelp: 'Small letters, digits and hyphens; it stays',
    description: 'What it is for',
    needName: 'A name has small letters, digits and hyphens',
    submit: 'Create',
    done: 'The fleet is created',
  },
  remove: {
    action: 'Delete',
    title: (name: string) => `Delete fleet ${name}?`,
    about:
      'A fleet that has clusters or is named by a role is not deleted. An empty one can be created again.',
    submit: 'Delete the fleet',
    done: 'The fleet is deleted',
  },
  empty: {
    title: 'No fleet but the default one',
    about:
      'Clusters that name no fleet are in “default”. A fleet of its own gives a team its own roles, reports and numbers.',
  },
  detail: {
    clusters: 'Its clusters',
    allClusters: 'All its clusters',
    compliance: 'Compliance over time',
    reports: 'Reports',
    worst: 'Worst exposures',
    policies: 'Policies in force',
    policyOf: (count: string, number: number) => (number === 1 ? '1 cluster' : `${count} clusters`),
    noPolicy: 'no policy',
    violations: 'Above the RPO now',
    unknown: 'Nothing is known by this name',
    unknownAbout: 'Neither a fleet nor a cluster in one has it.',
  },
};
