/** The silences that are not over. */
import { BellOff } from 'lucide-react';
import { useState } from 'react';
import { ConfirmAct } from '../../acts/ConfirmAct';
import { useAct } from '../../acts/useAct';
import type { WholeList } from '../../api/pages';
import { endSilence, type Silence } from '../../api/queries/alarms';
import { Button } from '../../ui/Button';
import { Card } from '../../ui/Card';
import { SmallTable } from '../../ui/SmallTable';
import { EmptyState, ErrorState } from '../../ui/States';
import { Time } from '../../ui/Values';
import { whoOf } from '../../subjects/who';
import { words } from '../../words';

const text = words.alarms.silences;

export function SilenceList({ list }: { list: WholeList<Silence> }) {
  const [ending, setEnding] = useState<Silence>();
  const act = useAct({
    run: (silence: Silence) => endSilence(silence.id),
    stale: ['silences', 'alarms'],
    said: () => text.ended,
    onDone: () => setEnding(undefined),
  });
  if (list.error !== null && list.items.length === 0) {
    return <ErrorState error={list.error} retry={list.retry} />;
  }
  const { title, about } = words.alarms.empty.silences;
  return (
    <Card className="overflow-hidden">
      <SmallTable<Silence>
        label={text.list}
        pending={list.pending}
        rows={list.items}
        rowId={({ id }) => id}
        empty={
          <EmptyState icon={BellOff} title={title}>
            <p>{about}</p>
          </EmptyState>
        }
        columns={[
          { name: text.columns.what, cell: (silence) => whatOf(silence) },
          { name: text.columns.reason, from: 'md', cell: ({ reason }) => reason },
          { name: text.columns.by, from: 'lg', cell: ({ createdBy }) => whoOf(createdBy) },
          { name: text.columns.until, cell: ({ until }) => <Time at={until} /> },
          {
            name: text.columns.act,
            nameHidden: true,
            align: 'end',
            cell: (silence) => (
              <Button size="sm" onClick={() => setEnding(silence)}>
                {text.end}
              </Button>
            ),
          },
        ]}
      />
      {ending !== undefined && (
        <ConfirmAct
          open
          onOpenChange={(open) => !open && setEnding(undefined)}
          title={text.endTitle}
          action={text.end}
          tone="primary"
          act={act}
          onConfirm={() => act.mutate(ending)}
          equivalent={{
            cli: `holdfast alarm unsilence ${ending.id}`,
            api: { method: 'DELETE', path: `/api/v1/silences/${ending.id}` },
          }}
        >
          <p className="font-medium text-ink">{whatOf(ending)}</p>
          <p>{text.endAbout}</p>
        </ConfirmAct>
      )}
    </Card>
  );
}

function whatOf({ rule, fleet, cluster }: Silence): string {
  const where = cluster ? text.ofCluster(cluster) : fleet ? text.inFleet(fleet) : text.everywhere;
  return text.what(rule ? words.alarms.rules[rule] : text.anyRule, where);
}
