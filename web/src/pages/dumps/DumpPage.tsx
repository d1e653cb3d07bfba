/**
 * Restores one database of a dump into a running server. The draft is in the URL; the
 * API makes no plan of it, so what can be known before is put together here, and what
 * happens after has the address of its job.
 */
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { DatabaseBackup } from 'lucide-react';
import { useState } from 'react';
import { startDumpRestore } from '../../api/queries/restores';
import { Page } from '../../frame/Page';
import { Button } from '../../ui/Button';
import { Card, CardBody, CardHeader } from '../../ui/Card';
import { Equivalent } from '../../ui/Equivalent';
import { None, Time } from '../../ui/Values';
import { words } from '../../words';
import { ActOutcome } from '../work/Asked';
import { Facts } from '../work/Facts';
import { BackupLink, ClusterLink } from '../work/links';
import { commandOf, requestOf, wrongIn, type WrongOfDump } from './draft';
import type { DumpDraft } from './route';
import { SourceCards } from './SourceCards';
import { TargetCard } from './TargetCard';
import { useDump, type DumpChoice } from './useDump';

const text = words.dumps;
const route = getRouteApi('/frame/restores/dump');

export interface DumpProps {
  draft: DumpDraft;
  change: (changed: Partial<DumpDraft>) => void;
  /** Shown once somebody tried to begin. */
  wrong: WrongOfDump;
}

export function DumpPage() {
  const draft = route.useSearch();
  const navigate = route.useNavigate();
  const [tried, setTried] = useState(false);
  const choice = useDump(draft);
  const change = (changed: Partial<DumpDraft>) =>
    void navigate({ search: (before) => ({ ...before, ...changed }), replace: true });
  const props: DumpProps = { draft, change, wrong: tried ? wrongIn(draft) : {} };
  return (
    <Page
      title={draft.cluster === undefined ? text.title : text.titleOf(draft.cluster)}
      about={text.about}
    >
      <div className="grid grid-cols-1 items-start gap-4 xl:grid-cols-[minmax(0,1fr)_24rem]">
        <div className="min-w-0 space-y-4">
          <SourceCards {...props} choice={choice} />
          <TargetCard {...props} />
        </div>
        <Sum draft={draft} choice={choice} onTried={() => setTried(true)} />
      </div>
    </Page>
  );
}

function Sum({
  draft,
  choice,
  onTried,
}: {
  draft: DumpDraft;
  choice: DumpChoice;
  onTried: () => void;
}) {
  const begin = useBegin(draft);
  const { sum } = text;
  const not = <span className="text-ink-3">{sum.notYet}</span>;
  const asOf = choice.databases.find(({ database }) => database === draft.database)?.snapshotAt;
  const on = draft.to ?? draft.cluster;
  return (
    <Card className="xl:sticky xl:top-4">
      <CardHeader title={sum.title} />
      <CardBody className="space-y-4">
        <Facts
          facts={[
            { term: sum.what, value: draft.database ?? not },
            {
              term: sum.dump,
              value: choice.dump === undefined ? <None /> : <BackupLink id={choice.dump.id} />,
            },
            {
              term: sum.asOf,
              wide: true,
              value: <Time absolute at={asOf ?? choice.dump?.finishedAt} />,
            },
            { term: sum.on, value: on === undefined ? not : <ClusterLink name={on} /> },
            { term: sum.as, value: draft.into ?? not },
          ]}
        />
        <p className="text-sm text-ink-2">{sum.touches}</p>
        <p className="text-sm text-ink-2">{sum.agent}</p>
        {begin.error !== null && <ActOutcome error={begin.error} />}
        <div className="flex flex-wrap items-center justify-between gap-2 border-t border-line pt-4">
          <Equivalent
            cli={commandOf(draft)}
            api={{ method: 'POST', path: '/api/v1/dump-restores', body: requestOf(draft) }}
          />
          <Button
            variant="primary"
            icon={DatabaseBackup}
            busy={begin.isPending}
            onClick={() => {
              onTried();
              if (Object.keys(wrongIn(draft)).length === 0) begin.mutate();
            }}
          >
            {sum.begin}
          </Button>
        </div>
      </CardBody>
    </Card>
  );
}

/** To the job that does it: there is its progress, and what came of it. */
function useBegin(draft: DumpDraft) {
  const navigate = route.useNavigate();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: () => startDumpRestore(requestOf(draft)),
    onSuccess: async ({ job }) => {
      await queries.invalidateQueries({ queryKey: ['jobs'] });
      await navigate({ to: '/jobs/$job', params: { job } });
    },
  });
}
