/** The bar above the list while many are chosen: how many, and what to do with them. */
import { Tags } from 'lucide-react';
import { useCallback, useMemo, useState } from 'react';
import type { Cluster } from '../../../api/queries/clusters';
import { formatCount } from '../../../format/size';
import { Button } from '../../../ui/Button';
import { words } from '../../../words';
import type { ClusterRow } from '../rows';
import { BulkDialog } from './BulkDialog';
import type { Selection } from './selection';

const text = words.clusters.bulk;

export interface Choice {
  on: boolean;
  toggle: () => void;
  chosen: ReadonlySet<string>;
  choose: (names: Iterable<string>) => void;
  selection: Selection;
}

export function useChoice(): Choice {
  const [on, setOn] = useState(false);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const set = useCallback(
    (name: string, include: boolean) =>
      setChosen((before) => {
        const after = new Set(before);
        if (include) after.add(name);
        else after.delete(name);
        return after;
      }),
    [],
  );
  const selection = useMemo(
    () => ({ has: (name: string) => chosen.has(name), set }),
    [chosen, set],
  );
  return {
    on,
    toggle: () => {
      setOn(!on);
      setChosen(new Set());
    },
    chosen,
    choose: (names) => setChosen(new Set(names)),
    selection,
  };
}

export function Choosing({
  choice,
  shown,
  clusters,
}: {
  choice: Choice;
  shown: readonly ClusterRow[];
  clusters: readonly Cluster[];
}) {
  const [open, setOpen] = useState(false);
  if (!choice.on) return null;
  const { chosen, choose, toggle } = choice;
  return (
    <section
      aria-label={text.region}
      className="mb-3 flex flex-wrap items-center gap-2 rounded-lg bg-accent-soft px-3 py-2"
    >
      <span role="status" className="num mr-auto font-medium text-accent">
        {text.chosen(formatCount(chosen.size))}
      </span>
      <Button size="sm" onClick={() => choose(shown.map(({ name }) => name))}>
        {text.all(formatCount(shown.length))}
      </Button>
      <Button size="sm" disabled={chosen.size === 0} onClick={() => choose([])}>
        {text.none}
      </Button>
      <Button
        size="sm"
        variant="primary"
        icon={Tags}
        disabled={chosen.size === 0}
        onClick={() => setOpen(true)}
      >
        {text.relabel}
      </Button>
      {open && (
        <BulkDialog
          clusters={clusters.filter(({ metadata }) => chosen.has(metadata.name))}
          onClose={() => setOpen(false)}
          onDone={() => {
            setOpen(false);
            toggle();
          }}
        />
      )}
    </section>
  );
}
