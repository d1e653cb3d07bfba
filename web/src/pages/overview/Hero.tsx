/** One sentence of truth, and all clusters by verdict in one bar. */
import { Link } from '@tanstack/react-router';
import { CircleAlert, CircleCheck, CircleX } from 'lucide-react';
import type { Schemas } from '../../api/client';
import { Card } from '../../ui/Card';
import { cx } from '../../ui/cx';
import { words } from '../../words';
import { asidesOf, sentenceOf, type Verdicts } from './truth';
import { useServers } from './UnprotectedCard';
import { VerdictBar } from './VerdictBar';

const text = words.overview;

export function Hero({ status }: { status: Schemas['Status'] }) {
  const verdicts = status.exposure as Verdicts;
  const { clusters } = status.counts;
  const over = verdicts.VIOLATED ?? 0;
  const asides = asidesOf(verdicts, useServers(status.unprotected));
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
      <div className="px-5 pb-5 sm:px-6">
        <VerdictBar verdicts={verdicts} />
      </div>
    </Card>
  );
}

const capital = (said: string) => said.charAt(0).toUpperCase() + said.slice(1);
