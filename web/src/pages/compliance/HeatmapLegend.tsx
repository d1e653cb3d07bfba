/** What the pictures of days mean. */
import { words } from '../../words';
import { CellPicture } from './CellPicture';
import type { Cell } from './days';

const text = words.compliance.legend;

const ITEMS: readonly { look: Cell['look']; share: number; text: string }[] = [
  { look: 'compliant', share: 0, text: text.compliant },
  { look: 'violated', share: 0.5, text: text.violated },
  { look: 'atRisk', share: 0, text: text.atRisk },
  { look: 'unknown', share: 1, text: text.unknown },
  { look: 'exempt', share: 0, text: text.exempt },
  { look: 'none', share: 0, text: text.none },
];

export function HeatmapLegend() {
  return (
    <ul
      aria-label={text.title}
      className="flex flex-wrap gap-x-4 gap-y-1.5 px-4 py-3 text-xs text-ink-2"
    >
      {ITEMS.map(({ look, share, text: said }) => (
        <li key={look} className="flex items-center gap-1.5">
          <span className="block h-5 w-4">
            <CellPicture look={look} share={share} />
          </span>
          {said}
        </li>
      ))}
    </ul>
  );
}
