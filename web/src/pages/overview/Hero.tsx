/** One sentence of truth, and all clusters by verdict in one bar. */
import { Link } from '@tanstack/react-router';
import { CircleAlert, CircleCheck, CircleX } from 'lucide-react';
import type { Schemas } from '../../api/client';
import type { Compliance } from '../../api/queries/exposure';
import { formatCount } from '../../format/size';
import { Card } from '../../ui/Card';
import { cx } from '../../ui/cx';
import { words } from '../../words';
import { ORDER, asidesOf, sentenceOf, type Verdicts } from './truth';

const text = words.overview;

const MARKS: Record<Compliance, string> = {
  VIOLATED: 'bg-bad-mark',
  UNPROTECTED: 'bg-bad-mark',
  UNKNOWN: 'bg-unknown-mark',
  AT_RISK: 'bg-warn-mark',
  EXEMPT: 'bg-info-mark',
  COMPLIANT: 'bg-ok-mark',
};

export function Hero({ status }: { status: Schemas['Status'] }) {
  const verdicts = status.exposure as Verdicts;
  const { clusters } = status.counts;
  const over = verdicts.VIOLATED ?? 0;
  const asides = asidesOf(verdicts, status.unprotected.instances);
  const worry = asides.some(({ verdict }) => verdict !== 'EXEMPT');
  const look = over > 0 ? 'bad' : worry ? 'warn' : 'ok';
  const Icon = { bad: CircleX, warn: CircleAlert, ok: CircleCheck }[look];
  return (
    <Card className="overflow-hidden">
      <div className="flex items-start gap-4 px-5 pt-5 pb-4 sm:px-6">
        <span
          className={cx(
            'mt-0.5 hidden size-11 shrink-0 items-center justify-center rounded-xl sm:flex',
            {
              bad: 'bg-bad-soft text-bad',
              warn: 'bg-warn-soft text-warn',
              ok: 'bg-ok-soft text-ok',
            }[look],
          )}
        >
          <Icon aria-hidden className="size-6" />
        </span>
        <div className="min-w-0">
          <p className="text-2xl leading-8 font-semibold tracking-tight text-balance">
            <Link
              to="/clusters"
              search={over > 0 ? { state: 'VIOLATED' } : { sort: '-exposure' }}
              className="rounded-sm underline-offset-4 hover:underline"
            >
              {`${sentenceOf(verdicts, clusters)}.`}
            </Link>
          </p>
          {asides.length > 0 && (
            <p className="mt-1 text-lg text-ink-2">
              {asides.map((aside, index) => (
                <span key={aside.text}>
                  {index > 0 && (index === asides.length - 1 ? text.and : ', ')}
                  <Link
                    to={aside.verdict === undefined ? '/unprotected' : '/clusters'}
                    search={(aside.verdict && { state: aside.verdict }) as never}
                    className="rounded-sm underline decoration-line-strong underline-offset-4 hover:decoration-ink"
                  >
                    {index === 0 ? capital(aside.text) : aside.text}
                  </Link>
                </span>
              ))}
              {'.'}
            </p>
          )}
        </div>
      </div>
      <VerdictBar verdicts={verdicts} />
    </Card>
  );
}

const capital = (said: string) => said.charAt(0).toUpperCase() + said.slice(1);

function VerdictBar({ verdicts }: { verdicts: Verdicts }) {
  const shown = ORDER.filter((each) => (verdicts[each] ?? 0) > 0);
  return (
    <nav aria-label={text.verdicts} className="px-5 pb-5 sm:px-6">
      <div aria-hidden className="flex h-3 gap-0.5 overflow-hidden rounded-full bg-sunken">
        {shown.map((verdict) => (
          <span
            key={verdict}
            className={cx('h-full min-w-1.5', MARKS[verdict])}
            style={{ flexGrow: verdicts[verdict] ?? 0, flexBasis: 0 }}
          />
        ))}
      </div>
      <ul className="mt-3 flex flex-wrap gap-x-6 gap-y-2">
        {shown.map((verdict) => (
          <li key={verdict}>
            <Link
              to="/clusters"
              search={{ state: verdict }}
              className="group flex items-center gap-2 rounded-sm"
            >
              <span aria-hidden className={cx('size-2.5 rounded-sm', MARKS[verdict])} />
              <span className="num text-lg font-semibold">
                {formatCount(verdicts[verdict] ?? 0)}
              </span>
              <span className="text-ink-2 underline-offset-4 group-hover:underline">
                {words.clusters.verdicts[verdict]}
              </span>
            </Link>
          </li>
        ))}
      </ul>
    </nav>
  );
}
