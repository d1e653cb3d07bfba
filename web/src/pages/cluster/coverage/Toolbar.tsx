/** Which time is shown: lengths up to now, nearer, farther, earlier, later. */
import { ChevronLeft, ChevronRight, ZoomIn, ZoomOut } from 'lucide-react';
import { formatLocal } from '../../../format/time';
import { IconButton } from '../../../ui/Button';
import { cx } from '../../../ui/cx';
import { words } from '../../../words';
import { RANGES, type Range, type View } from './range';

const text = words.coverage;

export function Toolbar({
  range,
  view,
  onRange,
  onPan,
  onZoom,
  atEnd,
}: {
  /** Undefined when it is neither of the lengths. */
  range: Range | undefined;
  view: View;
  onRange: (range: Range) => void;
  onPan: (share: number) => void;
  onZoom: (factor: number) => void;
  atEnd: boolean;
}) {
  return (
    <div
      role="group"
      aria-label={text.toolbar.region}
      className="flex flex-wrap items-center gap-x-3 gap-y-2"
    >
      <div className="inline-flex rounded-md border border-line-strong bg-surface p-0.5">
        {RANGES.map((each) => (
          <button
            key={each}
            type="button"
            aria-pressed={range === each}
            onClick={() => onRange(each)}
            className={cx(
              'num h-7 rounded-sm px-2 text-sm font-medium text-ink-2 hover:bg-hover hover:text-ink sm:px-2.5',
              range === each && 'bg-accent-soft text-accent hover:bg-accent-soft hover:text-accent',
            )}
          >
            {text.ranges[each]}
          </button>
        ))}
      </div>
      <div className="inline-flex">
        <IconButton
          icon={ChevronLeft}
          label={text.toolbar.earlier}
          size="sm"
          onClick={() => onPan(-0.5)}
        />
        <IconButton
          icon={ChevronRight}
          label={text.toolbar.later}
          size="sm"
          disabled={atEnd}
          onClick={() => onPan(0.5)}
        />
        <IconButton
          icon={ZoomIn}
          label={text.toolbar.zoomIn}
          size="sm"
          onClick={() => onZoom(0.4)}
        />
        <IconButton
          icon={ZoomOut}
          label={text.toolbar.zoomOut}
          size="sm"
          onClick={() => onZoom(2.5)}
        />
      </div>
      <span className="num hidden text-sm text-ink-3 lg:inline">
        {text.toolbar.shown(formatLocal(new Date(view.from)), formatLocal(new Date(view.to)))}
      </span>
    </div>
  );
}
