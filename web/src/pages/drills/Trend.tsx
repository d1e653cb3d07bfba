/** How a cluster's restore time develops, against its target. */
import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { effective } from '../../api/queries/effective';
import type { Drill } from '../../api/queries/drills';
import { Series } from '../../charts/Series';
import { formatCount } from '../../format/size';
import { formatDuration } from '../../format/time';
import { Card, CardBody, CardHeader } from '../../ui/Card';
import { words } from '../../words';
import { rtoOf, trendOf } from './trend';

const text = words.drills.trend;

export function Trend({ cluster, drills }: { cluster: string; drills: readonly Drill[] }) {
  const policy = useQuery(effective.policy(cluster));
  const { times, achieved } = useMemo(() => trendOf(drills), [drills]);
  const target = rtoOf(policy.data?.fields);
  const newest = achieved.at(-1);
  if (newest === undefined) return null;
  const lines = [
    { text: text.achieved, color: 'accent', values: achieved },
    ...(target === undefined
      ? []
      : [{ text: text.target, color: 'warn-mark', values: times.map(() => target), bound: true }]),
  ];
  return (
    <Card className="mb-4">
      <CardHeader
        title={text.title}
        about={
          policy.data !== undefined && target === undefined
            ? `${text.about(formatCount(times.length))} ${text.noTarget}`
            : text.about(formatCount(times.length))
        }
      />
      <CardBody>
        {times.length < 2 ? (
          <p className="text-ink-2">{text.one}</p>
        ) : (
          <Series
            label={text.title}
            summary={text.summary(
              times.length,
              formatDuration(newest),
              target === undefined ? undefined : formatDuration(target),
            )}
            times={times}
            lines={lines}
            format={formatDuration}
            height={180}
          />
        )}
      </CardBody>
    </Card>
  );
}
