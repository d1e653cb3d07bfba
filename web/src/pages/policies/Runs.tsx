/** When backups are due next, a lane for each schedule on one line of time. */
import { useMemo } from 'react';
import type { PolicyPreview } from '../../api/queries/policies';
import { timeScale, timeTicks } from '../../charts/scale';
import { serverNow } from '../../live/freshness';
import { formatLocal } from '../../format/time';
import { Time } from '../../ui/Values';
import { words } from '../../words';
import { lanesOf } from './runs';

const text = words.policies.runs;

export function Runs({ runs }: { runs: PolicyPreview['nextRuns'] }) {
  const shown = useMemo(() => lanesOf(runs, serverNow()), [runs]);
  if (shown === undefined) return <p className="text-ink-2">{text.none}</p>;
  const { lanes, from, to, clusters } = shown;
  // Shares of the width, so that the picture needs no measuring.
  const scale = timeScale(from, to, 99.5);
  const ticks = timeTicks(from, to, 6);
  return (
    <figure aria-label={text.chart} className="m-0">
      <p className="mb-2 text-sm text-ink-2">
        {text.about(text.runs(runs.length), words.policies.clusters(clusters))}
      </p>
      <ul className="space-y-2.5">
        {lanes.map(({ schedule, starts }) => (
          <li key={schedule}>
            <p className="flex flex-wrap items-baseline gap-x-2 text-sm">
              <span className="font-medium">{schedule}</span>
              <span className="text-ink-3">
                {text.next} <Time at={new Date(starts[0]?.at ?? from)} />
              </span>
            </p>
            <svg
              role="img"
              aria-label={`${schedule}: ${text.runs(starts.length)}`}
              className="mt-1 block h-4 w-full overflow-visible"
            >
              <line x1="0" x2="100%" y1="8" y2="8" className="stroke-line-strong" />
              {starts.map(({ at, cluster, missed }, index) => (
                <rect
                  key={index}
                  x={`${scale.x(at)}%`}
                  y="1"
                  width="4"
                  height="14"
                  rx="2"
                  transform="translate(-2 0)"
                  className={missed ? 'fill-surface stroke-bad-mark stroke-[1.5]' : 'fill-accent'}
                >
                  <title>
                    {`${cluster}, ${formatLocal(new Date(at))}${missed ? `, ${text.missed}` : ''}`}
                  </title>
                </rect>
              ))}
            </svg>
          </li>
        ))}
      </ul>
      <div aria-hidden className="relative mt-1 h-5 text-xs text-ink-3">
        {ticks.map(({ at, text: tick, day }) => {
          const left = scale.x(at);
          return (
            <span
              key={at}
              className={day ? 'num absolute font-semibold text-ink-2' : 'num absolute'}
              style={left > 88 ? { right: 0 } : { left: `${left}%` }}
            >
              {tick}
            </span>
          );
        })}
      </div>
    </figure>
  );
}
