/** What documents would change: clusters that are affected alike, together. */
import { Link } from '@tanstack/react-router';
import type { Preview } from '../../../api/queries/documents-dry';
import { formatCount } from '../../../format/size';
import { StatusPill, type Tone } from '../../../ui/Badge';
import { words } from '../../../words';

const text = words.clusters.bulk;
type Group = Preview['affected'][number];

const TONES: Record<Group['how'], Tone> = {
  protected: 'ok',
  unprotected: 'bad',
  moved: 'info',
  changed: 'info',
};
const SHOWN = 12;

export function Effect({ preview }: { preview: Preview }) {
  const { affected, expires, consent } = preview;
  const lost = expires.clusters.reduce((sum, { backups }) => sum + backups.length, 0);
  return (
    <section aria-label={text.effect} className="space-y-3">
      <h3 className="font-semibold">{text.effect}</h3>
      {affected.length === 0 && <p className="text-ink-2">{text.noEffect}</p>}
      {affected.map((group, index) => (
        <GroupBox key={index} group={group} />
      ))}
      {lost > 0 && (
        <p className="rounded-md bg-bad-soft px-3 py-2 font-medium text-bad">
          {text.expires(formatCount(lost), formatCount(expires.clusters.length))}
        </p>
      )}
      {expires.notLookedAt > 0 && (
        <p className="text-sm text-ink-2">{text.notLookedAt(formatCount(expires.notLookedAt))}</p>
      )}
      {consent != null && (
        <p className="rounded-md bg-warn-soft px-3 py-2">
          <span className="font-medium text-warn">{text.consent(consent.needed)}</span>{' '}
          <span className="text-ink-2">{consent.because.join(', ')}</span>
        </p>
      )}
    </section>
  );
}

function GroupBox({ group }: { group: Group }) {
  const { how, from, to, clusters, changes, consequences } = group;
  return (
    <div className="rounded-md border border-line p-3">
      <p className="flex flex-wrap items-center gap-2">
        <StatusPill tone={TONES[how]}>{text.how[how]}</StatusPill>
        <span className="num font-medium">
          {text.clusters(formatCount(clusters.length), clusters.length)}
        </span>
        <span className="text-ink-2">
          {how === 'changed' ? (to ?? '') : text.move(from ?? text.nothing, to ?? text.nothing)}
        </span>
      </p>
      <p className="mt-1 text-sm text-ink-2">
        {clusters.slice(0, SHOWN).map((cluster, index) => (
          <span key={cluster}>
            {index > 0 && ', '}
            <Link
              to="/clusters/$cluster"
              params={{ cluster }}
              className="underline-offset-2 hover:underline"
            >
              {cluster}
            </Link>
          </span>
        ))}
        {clusters.length > SHOWN && ` ${text.more(formatCount(clusters.length - SHOWN))}`}
      </p>
      {consequences.length > 0 && (
        <ul className="mt-2 list-disc space-y-0.5 pl-5 text-sm">
          {consequences.map(({ code, text: said }) => (
            <li key={code}>{said}</li>
          ))}
        </ul>
      )}
      {changes.length > 0 && (
        <details className="mt-2 text-sm">
          <summary className="w-fit cursor-pointer rounded-sm text-ink-2 hover:text-ink">
            {text.fields(formatCount(changes.length), changes.length)}
          </summary>
          <dl className="mt-1 space-y-1">
            {changes.map(({ field, before, after }) => (
              <div key={field} className="flex flex-wrap gap-x-2">
                <dt>
                  <code className="text-xs">{field}</code>
                </dt>
                <dd>
                  <del className="text-bad no-underline">
                    <span className="sr-only">{text.before}</span>
                    <code className="text-xs">{JSON.stringify(before)}</code>
                  </del>
                  {' → '}
                  <ins className="text-ok no-underline">
                    <span className="sr-only">{text.after}</span>
                    <code className="text-xs">{JSON.stringify(after)}</code>
                  </ins>
                </dd>
              </div>
            ))}
          </dl>
        </details>
      )}
    </div>
  );
}
