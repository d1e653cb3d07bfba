/** The clusters that a change affects, those alike together, and what changes for them. */
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import type { PolicyPreview } from '../../api/queries/policies';
import { Badge, type Tone } from '../../ui/Badge';
import { Prose } from '../../ui/Prose';
import { SmallTable } from '../../ui/SmallTable';
import { words } from '../../words';

type Group = PolicyPreview['affected'][number];

const text = words.policies.preview;
const TONES: Record<Group['how'], Tone> = {
  protected: 'ok',
  unprotected: 'bad',
  moved: 'info',
  changed: 'idle',
};

export function Affected({ groups }: { groups: readonly Group[] }) {
  return (
    <ul className="space-y-4">
      {groups.map((group, index) => (
        <li key={index} className="space-y-2">
          <p className="flex flex-wrap items-center gap-2">
            <span className="font-medium">{words.policies.clusters(group.clusters.length)}</span>
            <Badge tone={TONES[group.how]}>{text.how[group.how]}</Badge>
            {group.how !== 'changed' && (
              <span className="text-sm text-ink-2">{text.from(group.from, group.to)}</span>
            )}
          </p>
          <ClusterChips names={group.clusters} />
          {group.consequences.map(({ code, text: consequence }) => (
            <p key={code} className="text-sm text-ink-2 first-letter:uppercase">
              <Prose text={consequence} />.
            </p>
          ))}
          {group.changes.length > 0 && <Changes changes={group.changes} />}
        </li>
      ))}
    </ul>
  );
}

export function Changes({ changes }: { changes: Group['changes'] }) {
  return (
    <SmallTable
      label={text.field}
      className="rounded-md border border-line"
      rows={changes}
      rowId={({ field }) => field}
      columns={[
        {
          name: text.field,
          cell: ({ field }) => <code className="text-xs break-all">{field}</code>,
        },
        { name: text.before, cell: ({ before }) => <Value value={before} /> },
        { name: text.after, cell: ({ after }) => <Value value={after} /> },
      ]}
    />
  );
}

function Value({ value }: { value: unknown }) {
  if (value === null || value === undefined) {
    return <span className="text-sm text-ink-3">{text.unset}</span>;
  }
  if (typeof value !== 'object')
    return <code className="text-xs break-words">{String(value)}</code>;
  return (
    <code className="block max-w-64 text-xs break-words whitespace-pre-wrap">{shortly(value)}</code>
  );
}

/** Short enough for a cell: `every: 1h, kind: incremental`. */
function shortly(value: object): string {
  const told = (each: unknown): string =>
    typeof each === 'object' && each !== null ? JSON.stringify(each) : String(each);
  if (Array.isArray(value)) return value.map(told).join('\n');
  return Object.entries(value)
    .map(([key, each]) => `${key}: ${told(each)}`)
    .join('\n');
}

const SHOWN = 8;

export function ClusterChips({ names }: { names: readonly string[] }) {
  const [all, setAll] = useState(false);
  const shown = all ? names : names.slice(0, SHOWN);
  return (
    <p className="flex flex-wrap gap-1.5">
      {shown.map((cluster) => (
        <Link
          key={cluster}
          to="/clusters/$cluster"
          params={{ cluster }}
          className="rounded-sm hover:brightness-95"
        >
          <Badge>{cluster}</Badge>
        </Link>
      ))}
      {names.length > SHOWN && (
        <button
          type="button"
          onClick={() => setAll(!all)}
          className="rounded-sm text-sm text-ink-2 underline underline-offset-2 hover:text-ink"
        >
          {all ? text.fewer : text.more(names.length - SHOWN)}
        </button>
      )}
    </p>
  );
}
