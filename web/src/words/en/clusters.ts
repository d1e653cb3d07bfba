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
    window: 'Restorable back to',
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
    labelPlaceholder: 'Label, as tier=gold',
    labelHelp: 'A label is key=value',
    retired: 'Also retired',
    policy: 'Policy',
    anyPolicy: 'Any policy',
    proof: 'Proof',
    anyProof: 'Any proof',
    proofs: {
      proven: 'Proved by a drill',
      drill_too_old: 'Proof too old',
      no_drill: 'No drill yet',
      drill_failed: 'Newest drill failed',
      unknown: 'Proof not known',
    },
  },
  bulk: {
    begin: 'Choose many…',
    end: 'Done',
    region: 'Chosen clusters',
    select: (name: string) => `Choose ${name}`,
    chosen: (count: string) => `${count} chosen`,
    all: (count: string) => `Choose all ${count} shown`,
    none: 'Choose none',
    relabel: 'Change labels and policy…',
    title: (count: string, number: number) =>
      number === 1 ? 'Change the labels of 1 cluster' : `Change the labels of ${count} clusters`,
    about: 'Policies take clusters by their labels: other labels are another policy.',
    set: 'Set labels',
    labelsHelp: 'tier=gold, team=payments',
    remove: 'Take away',
    removeHelp: 'Keys, such as tier',
    changes: (count: string, number: number) =>
      number === 0
        ? 'No document would change.'
        : number === 1
          ? '1 document would change.'
          : `${count} documents would change.`,
    preview: 'What would change?',
    apply: 'Apply',
    effect: 'What would change',
    noEffect: 'No policy in force changes for anyone.',
    how: {
      protected: 'Becomes protected',
      unprotected: 'Loses protection',
      moved: 'Another policy',
      changed: 'Other terms',
    },
    clusters: (count: string, number: number) => (number === 1 ? '1 cluster' : `${count} clusters`),
    nothing: 'no policy',
    move: (from: string, to: string) => `${from} → ${to}`,
    more: (count: string) => `and ${count} more`,
    fields: (count: string, number: number) =>
      number === 1 ? '1 field differs' : `${count} fields differ`,
    before: 'before:',
    after: 'after:',
    expires: (backups: string, clusters: string) =>
      `${backups} backups of ${clusters} clusters would expire that would not now.`,
    notLookedAt: (count: string) => `What expires was not looked at for ${count} more clusters.`,
    consent: (needed: number) =>
      needed === 1
        ? 'It will wait for the consent of another person:'
        : `It will wait for the consent of ${needed} other people:`,
    tooMany: (most: string) => `At most ${most} at once: they are changed all or none.`,
    done: (count: string, number: number) =>
      number === 1 ? '1 cluster has its new labels' : `${count} clusters have their new labels`,
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
