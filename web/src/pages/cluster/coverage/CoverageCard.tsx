/**
 * The coverage band of a cluster. What is shown and the chosen point are in the URL;
 * while the line is dragged they are here, and go there when it is let go.
 */
import { useQuery } from '@tanstack/react-query';
import { DatabaseZap } from 'lucide-react';
import { useMemo, useState } from 'react';
import { coverage as queries, type ClusterCoverage } from '../../../api/queries/coverage';
import { formatCount } from '../../../format/size';
import { Card, CardBody, CardHeader } from '../../../ui/Card';
import { EmptyState, ErrorState, Skeleton } from '../../../ui/States';
import { words } from '../../../words';
import { Band } from './Band';
import { CoverageTable } from './CoverageTable';
import { Legend } from './Legend';
import { landmarks, moment, nextLandmark, previousLandmark, type Moment } from './point';
import { PointPanel } from './PointPanel';
import { pan, searchOf, spanOf, viewOf, zoom, type RangeSearch, type View } from './range';
import { Toolbar } from './Toolbar';

const text = words.coverage;

export interface CoverageSearch extends RangeSearch {
  at?: string | undefined;
}

export interface CoverageCardProps {
  cluster: string;
  search: CoverageSearch;
  onSearch: (changed: Partial<CoverageSearch>) => void;
}

export function CoverageCard({ cluster, search, onSearch }: CoverageCardProps) {
  const span = useMemo(
    () => spanOf({ range: search.range, from: search.from, to: search.to }),
    [search.range, search.from, search.to],
  );
  const query = useQuery(queries.band(cluster, span));
  const data = query.data;
  const view = useMemo(() => data && viewOf(span, data), [span, data]);
  return (
    <Card aria-label={text.title}>
      <CardHeader
        title={text.title}
        about={text.about}
        className="flex-wrap"
        actions={
          view && data ? (
            <Steering view={view} data={data} search={search} onSearch={onSearch} />
          ) : undefined
        }
      />
      <CardBody className="space-y-4">
        {data === undefined || view === undefined ? (
          query.error !== null ? (
            <ErrorState error={query.error} retry={() => void query.refetch()} compact />
          ) : (
            <Waiting />
          )
        ) : (
          <Shown {...{ cluster, data, view, search, onSearch }} />
        )}
      </CardBody>
    </Card>
  );
}

function Steering({
  view,
  data,
  search,
  onSearch,
}: Omit<CoverageCardProps, 'cluster'> & { view: View; data: ClusterCoverage }) {
  const now = Date.parse(data.asOf);
  const chosen = search.at === undefined ? view.to : Date.parse(search.at);
  const steer = (next: View) => onSearch(searchOf(next));
  return (
    <Toolbar
      range={search.from === undefined ? (search.range ?? 'all') : undefined}
      view={view}
      atEnd={view.to >= now - 1000}
      onRange={(range) =>
        onSearch({ range: range === 'all' ? undefined : range, from: undefined, to: undefined })
      }
      onPan={(share) => steer(pan(view, share, now))}
      onZoom={(factor) => steer(zoom(view, factor, chosen, now))}
    />
  );
}

function Shown({
  cluster,
  data,
  view,
  search,
  onSearch,
}: CoverageCardProps & { data: ClusterCoverage; view: View }) {
  const [dragged, setDragged] = useState<Moment>();
  const chosen = dragged ?? (search.at === undefined ? undefined : moment(search.at));
  const marks = useMemo(() => landmarks(data), [data]);
  const latest = useMemo(() => latestOf(data), [data]);
  const now = Date.parse(data.asOf);
  const choose = (next: Moment | undefined) => {
    setDragged(undefined);
    const outside = next !== undefined && (next.at < view.from || next.at > view.to);
    const half = (view.to - view.from) / 2;
    onSearch({
      at: next?.iso,
      ...(outside && searchOf(pan({ from: next.at - half, to: next.at + half }, 0, now))),
    });
  };
  if (data.repositories.every(({ windowEnd }) => windowEnd == null) && data.backups.length === 0) {
    return (
      <EmptyState icon={DatabaseZap} title={text.empty.title}>
        <p>{text.empty.about}</p>
      </EmptyState>
    );
  }
  const shown = chosen ?? latest ?? { at: now, iso: data.asOf };
  const before = previousLandmark(marks, shown.at);
  const after = chosen === undefined ? undefined : nextLandmark(marks, shown.at);
  const { backups, drills, violations } = data.leftOut;
  const leftOut = backups + drills + violations;
  return (
    <>
      <Band
        data={data}
        view={view}
        moment={shown}
        landmarks={marks}
        onDrag={setDragged}
        onChoose={choose}
        onView={(next) => onSearch(searchOf(next))}
      />
      {leftOut > 0 && <p className="text-sm text-ink-2">{text.leftOut(formatCount(leftOut))}</p>}
      <PointPanel
        cluster={cluster}
        chosen={chosen}
        shown={shown}
        moving={dragged !== undefined}
        onChoose={choose}
        onPrevious={before && (() => choose(before))}
        onNext={after && (() => choose(after))}
      />
      <Legend />
      <CoverageTable coverage={data} />
    </>
  );
}

/** The latest moment that can be restored from anywhere. */
function latestOf({ repositories }: ClusterCoverage): Moment | undefined {
  return repositories
    .flatMap(({ windowEnd }) => (windowEnd == null ? [] : [moment(windowEnd)]))
    .reduce<Moment | undefined>(
      (best, each) => (best === undefined || each.at > best.at ? each : best),
      undefined,
    );
}

function Waiting() {
  return (
    <div aria-busy className="space-y-3">
      <Skeleton className="h-6 w-full" />
      <Skeleton className="h-16 w-full" />
      <Skeleton className="h-6 w-2/3" />
      <Skeleton className="h-28 w-full" />
    </div>
  );
}
