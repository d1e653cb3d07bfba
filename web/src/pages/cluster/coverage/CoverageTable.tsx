/** The band as a table: the same for those who do not see it, and to read exactly. */
import { useMemo, type ReactNode } from 'react';
import type { ClusterCoverage } from '../../../api/queries/coverage';
import { formatBytes } from '../../../format/size';
import { formatDuration } from '../../../format/time';
import { None, Time } from '../../../ui/Values';
import { whoOf } from '../../../subjects/who';
import { words } from '../../../words';
import { standsAt } from './layout';

const text = words.coverage;
const MOST = 200;

export interface TableRow {
  key: string;
  at: number;
  what: string;
  where: string;
  from: string | null | undefined;
  to: string | null | undefined;
  more: string;
}

export function rowsOf({ repositories, backups, drills, violations }: ClusterCoverage): TableRow[] {
  const rows: TableRow[] = [];
  const add = (row: Omit<TableRow, 'at' | 'key'>) =>
    rows.push({
      ...row,
      at: Date.parse(row.to ?? row.from ?? ''),
      key: `${rows.length}`,
    });
  for (const { repository, stretches, holes } of repositories) {
    for (const { from, to, timeline } of stretches) {
      add({ what: text.table.covered, where: repository, from, to, more: text.timeline(timeline) });
    }
    for (const { from, to, cause } of holes) {
      add({ what: text.table.gap, where: repository, from, to, more: text.cause(cause) });
    }
  }
  for (const mark of backups) {
    const { kind, state, hold, verifiedBy, databaseBytes, error } = mark;
    const more = [
      text.states[state],
      databaseBytes != null && formatBytes(databaseBytes),
      verifiedBy != null && text.tip.verified,
      hold != null && text.tip.held(whoOf(hold.by), hold.reason),
      error?.message,
    ];
    const to = mark.finishedAt ?? null;
    add({
      what: text.kinds[kind],
      where: mark.repositories.join(', '),
      from: to === null ? standsAt(mark) : mark.startedAt,
      to,
      more: more.filter((each) => typeof each === 'string').join(', '),
    });
  }
  for (const { verdict, repository, finishedAt, rtoSeconds } of drills ?? []) {
    const more = rtoSeconds == null ? '' : `${text.tip.rto} ${formatDuration(rtoSeconds)}`;
    add({ what: text.verdicts[verdict], where: repository, from: null, to: finishedAt, more });
  }
  for (const { startedAt, endedAt, cause } of violations ?? []) {
    const more = text.cause(cause);
    add({ what: text.lanes.violations, where: '', from: startedAt, to: endedAt ?? null, more });
  }
  return rows.toSorted((a, b) => b.at - a.at);
}

export function CoverageTable({ coverage }: { coverage: ClusterCoverage }) {
  const rows = useMemo(() => rowsOf(coverage), [coverage]);
  return (
    <details className="group text-sm">
      <summary className="w-fit cursor-pointer rounded-sm font-medium text-ink-2 hover:text-ink">
        {text.table.title}
      </summary>
      <div
        className="scroll-quiet mt-2 max-h-80 overflow-auto rounded-md border border-line"
        tabIndex={0}
      >
        <table className="w-full min-w-[40rem] text-left">
          <caption className="sr-only">{text.table.caption}</caption>
          <thead className="sticky top-0 bg-sunken text-xs text-ink-2">
            <tr>
              <Head>{text.table.what}</Head>
              <Head>{text.table.where}</Head>
              <Head>{text.table.from}</Head>
              <Head>{text.table.to}</Head>
              <Head>{text.table.more}</Head>
            </tr>
          </thead>
          <tbody>
            {rows.slice(0, MOST).map((row) => (
              <tr key={row.key} className="border-t border-line">
                <Cell>{row.what}</Cell>
                <Cell>{row.where === '' ? <None /> : row.where}</Cell>
                <Cell>
                  <Time at={row.from} absolute />
                </Cell>
                <Cell>
                  <Time at={row.to} absolute />
                </Cell>
                <Cell>{row.more}</Cell>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {rows.length > MOST && <p className="pt-1 text-ink-3">{text.table.left(String(MOST))}</p>}
    </details>
  );
}

function Head({ children }: { children: ReactNode }) {
  return (
    <th scope="col" className="px-3 py-2 font-semibold">
      {children}
    </th>
  );
}

function Cell({ children }: { children: ReactNode }) {
  return <td className="px-3 py-1.5 align-top">{children}</td>;
}
