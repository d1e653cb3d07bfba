/** Words of clusters and of their verdicts. */
import type { Compliance } from '../../api/queries/exposure';

export type Verdict = Compliance | 'NONE' | 'RETIRED';

const verdicts: Record<Verdict, string> = {
  COMPLIANT: 'Compliant',
  AT_RISK: 'At risk',
  VIOLATED: 'Violated',
  UNKNOWN: 'Unknown',
  UNPROTECTED: 'Unprotected',
  EXEMPT: 'Exempt',
  NONE: 'No RPO',
  RETIRED: 'Retired',
};

export const clusters = {
  title: 'Clusters',
  about: 'Every PostgreSQL service, and what would be lost if it went now.',
  verdicts,
  columns: {
    name: 'Cluster',
    state: 'State',
    exposure: 'Would lose',
    window: 'Restorable since',
    policy: 'Policy',
    fleet: 'Fleet',
    labels: 'Labels',
  },
  filters: {
    region: 'Filters',
    name: 'Name',
    namePlaceholder: 'Find by name',
    state: 'State',
    anyState: 'Any state',
    fleet: 'Fleet',
    anyFleet: 'Any fleet',
    label: 'Label',
    labelPlaceholder: 'tier=gold',
    labelHelp: 'A label is key=value',
    retired: 'Also retired',
  },
  rpo: (duration: string) => `RPO ${duration}`,
  noRpo: 'no RPO',
  noBackup: 'everything',
  noPolicy: 'none',
  moreLabels: (count: number) => `+${count}`,
  count: (shown: string, all: string) => {
    if (shown !== all) return `${shown} of ${all}`;
    return all === '1' ? '1 cluster' : `${all} clusters`;
  },
  reading: (read: string) => `${read} read so far…`,
  empty: {
    title: 'No cluster yet',
    about:
      'A cluster is one PostgreSQL service. Enrol an agent on its host, then say what it is and which policy keeps it.',
    command: 'Declare a cluster',
  },
  noMatch: { title: 'No cluster matches', about: 'Nothing fits these filters together.' },
};
