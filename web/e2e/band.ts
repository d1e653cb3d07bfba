/** A month of one cluster: stretches, gaps, timelines, drills, a hold, violations. */
import type { Page } from '@playwright/test';
import type {
  BackupMark,
  ClusterCoverage,
  Hole,
  Recoverability,
  RepositoryCoverage,
  Stretch,
} from '../src/api/queries/coverage';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const LINEAGE = '7301234567890123456/1';

export class CannedBand {
  readonly now = Date.now();
  /** The moments that were asked about. */
  readonly asked: string[] = [];
  constructor(private readonly cluster = 'orders') {}

  async start(page: Page): Promise<void> {
    await page.route(`**/api/v1/clusters/${this.cluster}/coverage*`, (route) =>
      route.fulfill({ json: this.coverage(new URL(route.request().url()).searchParams) }),
    );
    await page.route(`**/api/v1/clusters/${this.cluster}/recoverability*`, (route) => {
      const at = new URL(route.request().url()).searchParams.get('at') ?? 'latest';
      this.asked.push(at);
      return route.fulfill({ json: this.point(at) });
    });
  }

  ago(days: number, hours = 0): number {
    return this.now - days * DAY - hours * HOUR;
  }

  coverage(search = new URLSearchParams()): ClusterCoverage {
    const from = Date.parse(search.get('from') ?? '') || 0;
    const to = Date.parse(search.get('to') ?? '') || this.now;
    const meets = (first: string, last: string | null | undefined) =>
      Date.parse(first) <= to && Date.parse(last ?? iso(this.now)) >= from;
    const narrow = (repository: RepositoryCoverage): RepositoryCoverage => ({
      ...repository,
      stretches: repository.stretches.filter((one) => meets(one.from, one.to)),
      holes: repository.holes.filter((one) => meets(one.from, one.to)),
    });
    return {
      cluster: this.cluster,
      asOf: iso(this.now),
      from: search.get('from'),
      to: iso(to),
      repositories: this.repositories().map(narrow),
      backups: this.backups().filter((one) => meets(one.startedAt, one.finishedAt)),
      drills: [3, 10, 17, 24].map((days, index) => ({
        id: `drl_${index}`,
        finishedAt: iso(this.ago(days, 2)),
        verdict: index === 1 ? ('failed' as const) : ('passed' as const),
        kind: 'physical' as const,
        repository: 'eu-main',
        backup: `bak_full_${index}`,
        rtoSeconds: 512 + index * 40,
        rpoSeconds: 4,
      })),
      violations: this.violations(),
      leftOut: { backups: 0, drills: 0, violations: 0 },
    };
  }

  private violations(): NonNullable<ClusterCoverage['violations']> {
    const one = (from: number, to: number, cause: string) => ({
      cause,
      cluster: this.cluster,
      fleet: 'payments',
      startedAt: iso(from),
      endedAt: iso(to),
      exemptSeconds: 0,
      highest: { seconds: (to - from) / 1000 + 30, unbounded: false },
      open: false,
      rpoScope: 'any' as const,
      rpoSeconds: 30,
      seconds: (to - from) / 1000,
    });
    return [
      one(this.ago(12, 9), this.ago(12), 'agent_offline'),
      one(this.ago(3, 5), this.ago(3, 4.9), 'wal_gap'),
    ];
  }

  private repositories(): RepositoryCoverage[] {
    const last = this.now - 9_000;
    const main: Stretch[] = [
      stretch(this.ago(29), this.ago(19), 1, 'bak_full_4'),
      stretch(this.ago(19), this.ago(12, 9), 2, 'bak_full_3'),
      stretch(this.ago(12), this.ago(3, 5), 2, 'bak_full_1'),
      stretch(this.ago(3, 4.9), last, 2, 'bak_full_0'),
    ];
    const copied = this.now - 14 * 60_000;
    const copy: Stretch[] = [
      stretch(this.ago(21), this.ago(12, 9), 2, 'bak_full_3'),
      stretch(this.ago(12), copied, 2, 'bak_full_1'),
    ];
    return [
      {
        repository: 'eu-main',
        role: 'original',
        frontier: iso(last),
        frontierLsn: '2A/7F000140',
        frontierTimeline: 2,
        windowStart: iso(this.ago(29)),
        windowEnd: iso(last),
        stretches: main,
        holes: [
          hole(this.ago(12, 9), this.ago(12), 'agent_offline'),
          hole(this.ago(3, 5), this.ago(3, 4.9), 'slot_lost'),
        ],
        timelines: [],
        resolutionSeconds: null,
      },
      {
        repository: 'us-copy',
        role: 'copy',
        frontier: iso(copied),
        frontierLsn: '2A/7E000000',
        frontierTimeline: 2,
        windowStart: iso(this.ago(21)),
        windowEnd: iso(copied),
        stretches: copy,
        holes: [hole(this.ago(12, 9), this.ago(12), 'agent_offline')],
        timelines: [],
        resolutionSeconds: null,
      },
    ];
  }

  private backups(): BackupMark[] {
    const marks: BackupMark[] = [];
    for (let week = 0; week < 5; week += 1) {
      const at = this.ago(week * 7 + 0.4);
      marks.push(
        backup(`bak_full_${week}`, 'full', at, {
          hold:
            week === 2
              ? { by: 'user:ada', placedAt: iso(at), reason: 'before the migration' }
              : null,
          verifiedBy: week === 1 || week === 3 ? `drl_${week}` : null,
        }),
      );
    }
    for (let day = 0; day < 29; day += 1) {
      if (day % 7 !== 0) marks.push(backup(`bak_inc_${day}`, 'incremental', this.ago(day, 9.6)));
    }
    marks.push(backup('bak_dump', 'logical', this.ago(5, 3)));
    marks.push(
      backup('bak_failed', 'full', this.ago(12, 4), {
        state: 'failed',
        repositories: [],
        error: {
          code: 'agent_offline',
          message: 'the agent of db-1 was not heard of',
          hint: 'start it',
        },
      }),
    );
    return marks.toSorted((a, b) => Date.parse(a.startedAt) - Date.parse(b.startedAt));
  }

  point(at: string): Recoverability {
    const time = at === 'latest' ? this.now - 9_000 : Date.parse(at);
    const covering = this.repositories().filter(({ stretches }) =>
      stretches.some((one) => Date.parse(one.from) <= time && time <= Date.parse(one.to)),
    );
    const base = this.backups().findLast(
      (one) => one.state === 'available' && Date.parse(one.finishedAt ?? '') <= time,
    );
    const possible = covering.length > 0;
    const near = (when: number) => ({ time: iso(when), lsn: '2A/10', repository: 'eu-main' });
    const common = {
      cluster: this.cluster,
      at,
      asOf: iso(this.now),
      possible,
      proof: {
        proven: true,
        achievedRtoSeconds: 512,
        achievedRpoSeconds: 4,
        drill: 'drl_0',
        drilledAt: iso(this.ago(3)),
        passedAt: iso(this.ago(3)),
      },
      repositories: covering.map(({ repository }) => ({ repository, possible: true })),
    };
    if (!possible) {
      return {
        ...common,
        code: 'wal_missing',
        message: 'the WAL from 29/3A000000 to 29/4C000000 is missing on the way to it',
        nearestBefore: near(this.ago(12, 9)),
        nearestAfter: near(this.ago(12)),
      };
    }
    return {
      ...common,
      repository: covering[0]?.repository ?? null,
      backup: base?.id ?? null,
      backupKind: base?.kind ?? null,
      backupFinishedAt: base?.finishedAt ?? null,
      timeline: 2,
      recoversTo: iso(time),
      databaseBytes: 212_000_000_000,
      replayBytes: 8_400_000_000,
      replayBytesAtMost: 8_600_000_000,
      lossFromNowSeconds: (this.now - time) / 1000,
      lossFromFrontierSeconds: Math.max(0, (this.now - 9_000 - time) / 1000),
      predictedSeconds: 640,
      copyBytesPerSecond: 410_000_000,
      replayBytesPerSecond: 90_000_000,
    };
  }
}

const iso = (at: number) => new Date(at).toISOString();

function stretch(from: number, to: number, timeline: number, name: string): Stretch {
  return {
    lineage: LINEAGE,
    timeline,
    from: iso(from),
    to: iso(to),
    fromLsn: '10/0',
    toLsn: '20/0',
    backup: name,
    stretches: 1,
    missingSeconds: 0,
  };
}

function hole(from: number, to: number, cause: string): Hole {
  return {
    lineage: LINEAGE,
    timeline: 2,
    from: iso(from),
    to: iso(to),
    fromLsn: '29/3A000000',
    toLsn: '29/4C000000',
    missing: [{ fromLsn: '29/3A000000', toLsn: '29/4C000000' }],
    cause,
    recordedAt: iso(to),
  };
}

function backup(
  id: string,
  kind: BackupMark['kind'],
  at: number,
  more: Partial<BackupMark> = {},
): BackupMark {
  return {
    id,
    kind,
    state: 'available',
    repositories: ['eu-main', 'us-copy'],
    lineage: LINEAGE,
    timeline: 2,
    startedAt: iso(at - 11 * 60_000),
    finishedAt: iso(at),
    databaseBytes: 212_000_000_000,
    addedBytes: kind === 'full' ? 61_000_000_000 : 1_900_000_000,
    ...more,
  };
}
