/** How large the database was at each backup, and what each added to the repository. */
import { useQuery } from '@tanstack/react-query';
import { ChartLine } from 'lucide-react';
import { lazy, Suspense, useMemo } from 'react';
import { clusterParts, type Backup } from '../../api/queries/cluster-parts';
import { formatBytes, formatCount } from '../../format/size';
import { Card, CardBody, CardHeader } from '../../ui/Card';
import { EmptyState, ErrorState, Skeleton } from '../../ui/States';
import { words } from '../../words';

const text = words.cluster.size;
const Series = lazy(async () => ({ default: (await import('../../charts/Series')).Series }));

interface Sizes {
  times: number[];
  database: (number | null)[];
  added: (number | null)[];
}

/** By time; dumps are of another measure. */
export function sizesOf(backups: readonly Backup[]): Sizes {
  const taken = backups
    .filter(({ kind, state, databaseBytes, finishedAt }) => {
      const known = databaseBytes != null && finishedAt != null;
      return known && kind !== 'logical' && state === 'available';
    })
    .toSorted((a, b) => Date.parse(a.finishedAt ?? '') - Date.parse(b.finishedAt ?? ''));
  return {
    times: taken.map(({ finishedAt }) => Date.parse(finishedAt ?? '')),
    database: taken.map(({ databaseBytes }) => databaseBytes ?? null),
    added: taken.map(({ addedBytes }) => addedBytes ?? null),
  };
}

export function SizeTab({ cluster }: { cluster: string }) {
  const query = useQuery(clusterParts.backups(cluster));
  const sizes = useMemo(() => query.data && sizesOf(query.data.items), [query.data]);
  if (sizes === undefined) {
    return query.error === null ? (
      <Skeleton className="h-56 w-full" />
    ) : (
      <ErrorState error={query.error} retry={() => void query.refetch()} />
    );
  }
  const { times, database, added } = sizes;
  const [first, last] = [database[0] ?? 0, database.at(-1) ?? 0];
  return (
    <Card>
      {times.length < 2 ? (
        <EmptyState icon={ChartLine} title={text.few}>
          <p>{text.fewAbout}</p>
        </EmptyState>
      ) : (
        <>
          <CardHeader title={text.label} about={text.about} />
          <CardBody>
            <Suspense fallback={<Skeleton className="h-56 w-full" />}>
              <Series
                label={text.label}
                summary={text.summary(
                  formatCount(times.length),
                  formatBytes(first),
                  formatBytes(last),
                )}
                times={times}
                lines={[
                  { text: text.database, color: 'accent', values: database },
                  { text: text.added, color: 'warn-mark', values: added },
                ]}
                format={formatBytes}
                height={240}
              />
            </Suspense>
          </CardBody>
        </>
      )}
    </Card>
  );
}
