/** The coverage band of the cluster, to choose the point on. What it shows is in the URL. */
import { useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { coverage, type ClusterCoverage } from '../../api/queries/coverage';
import { ErrorState, Skeleton } from '../../ui/States';
import { words } from '../../words';
import { Band } from '../cluster/coverage/Band';
import { Legend } from '../cluster/coverage/Legend';
import { landmarks, moment, type Moment } from '../cluster/coverage/point';
import { pan, searchOf, spanOf, viewOf, zoom, type View } from '../cluster/coverage/range';
import { Toolbar } from '../cluster/coverage/Toolbar';
import type { Draft } from './route';

export interface BandPickerProps {
  cluster: string;
  /** The time that is chosen; undefined for the latest, and for what is no time. */
  at: string | undefined;
  draft: Draft;
  change: (changed: Partial<Draft>) => void;
}

export function BandPicker({ cluster, at, draft, change }: BandPickerProps) {
  const { range, from, to } = draft;
  const span = useMemo(() => spanOf({ range, from, to }), [range, from, to]);
  const query = useQuery(coverage.band(cluster, span));
  const data = query.data;
  const view = useMemo(() => data && viewOf(span, data), [span, data]);
  if (data === undefined || view === undefined) {
    if (query.error === null) return <Skeleton className="h-36" />;
    return (
      <div className="space-y-2">
        <p className="text-ink-2">{words.wizard.point.bandOff}</p>
        <ErrorState compact error={query.error} retry={() => void query.refetch()} />
      </div>
    );
  }
  return <Shown {...{ at, draft, change, data, view }} />;
}

function Shown({
  at,
  draft,
  change,
  data,
  view,
}: Omit<BandPickerProps, 'cluster'> & { data: ClusterCoverage; view: View }) {
  const [dragged, setDragged] = useState<Moment>();
  const marks = useMemo(() => landmarks(data), [data]);
  const latest = useMemo(() => latestOf(data), [data]);
  const now = Date.parse(data.asOf);
  const shown = dragged ?? (at === undefined ? latest : moment(at)) ?? moment(data.asOf);
  const steer = (next: View) => change(searchOf(next));
  return (
    <div className="space-y-3">
      <div className="flex flex-wrap justify-end gap-2">
        <Toolbar
          range={draft.from === undefined ? (draft.range ?? 'all') : undefined}
          view={view}
          atEnd={view.to >= now - 1000}
          onRange={(range) =>
            change({ range: range === 'all' ? undefined : range, from: undefined, to: undefined })
          }
          onPan={(share) => steer(pan(view, share, now))}
          onZoom={(factor) => steer(zoom(view, factor, shown.at, now))}
        />
      </div>
      <Band
        data={data}
        view={view}
        moment={shown}
        landmarks={marks}
        onDrag={setDragged}
        onChoose={(next) => {
          setDragged(undefined);
          change({ at: next.iso });
        }}
        onView={steer}
      />
      <Legend />
    </div>
  );
}

/** The latest moment that can be restored from anywhere. */
export function latestOf({ repositories }: Pick<ClusterCoverage, 'repositories'>) {
  return repositories
    .flatMap(({ windowEnd }) => (windowEnd == null ? [] : [moment(windowEnd)]))
    .reduce<Moment | undefined>(
      (best, each) => (best === undefined || each.at > best.at ? each : best),
      undefined,
    );
}
