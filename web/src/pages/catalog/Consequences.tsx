/** What becomes unrestorable if a backup is deleted, as the API tells it. */
import { TriangleAlert } from 'lucide-react';
import type { BackupDependents } from '../../api/queries/backups';
import { Time } from '../../ui/Values';
import { words } from '../../words';
import { BackupLink } from '../work/links';

const text = words.catalog.remove;
const SHOWN = 6;

export function Consequences({ known }: { known: BackupDependents }) {
  const { lost, dependents, newestLeft } = known;
  return (
    <section
      aria-label={text.first}
      className="space-y-2 rounded-md border border-line p-3 text-ink"
    >
      <h3 className="font-semibold">{text.first}</h3>
      {lost.length === 0 ? (
        <p>{text.nothingLost}</p>
      ) : (
        <>
          <p className="flex items-center gap-2 font-medium text-bad">
            <TriangleAlert aria-hidden className="size-4 shrink-0" />
            {text.lost(lost.length)}
          </p>
          <ul className="space-y-1.5">
            {lost.slice(0, SHOWN).map((stretch) => (
              <li key={`${stretch.repository} ${stretch.from}`} className="num text-sm">
                <Time absolute at={stretch.from} />
                {stretch.from === stretch.to ? (
                  ` · ${text.point}`
                ) : (
                  <>
                    {' – '}
                    <Time absolute at={stretch.to} />
                  </>
                )}{' '}
                <span className="text-ink-2">{text.lostIn(stretch.repository)}</span>
              </li>
            ))}
          </ul>
        </>
      )}
      {dependents.length > 0 && <p>{text.rest(dependents.length)}</p>}
      {newestLeft === null ? (
        <p className="font-medium text-bad">{text.last}</p>
      ) : (
        <p className="text-sm">
          {text.newest} <BackupLink id={newestLeft} />
        </p>
      )}
    </section>
  );
}
