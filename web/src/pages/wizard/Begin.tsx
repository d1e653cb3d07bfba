/** Begins what was planned, by its hash. Over what is there only after its name was typed. */
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { History } from 'lucide-react';
import { useState } from 'react';
import { approvals } from '../../api/queries/approvals';
import { restoreOfJob, startRestore } from '../../api/queries/restores';
import { isApiError } from '../../api/problem';
import { AlertDialog } from '../../ui/Dialog';
import { Button } from '../../ui/Button';
import { Equivalent } from '../../ui/Equivalent';
import { words } from '../../words';
import { ActOutcome, approvalOf } from '../work/Asked';
import { commandOf, requestOf } from './draft';
import type { Draft } from './route';

const text = words.wizard.plan;

export function Begin({
  draft,
  planHash,
  onAgain,
}: {
  draft: Draft;
  planHash: string;
  onAgain: () => void;
}) {
  const [asking, setAsking] = useState(false);
  const body = { ...requestOf(draft), planHash };
  const begin = useBegin(body);
  const over = draft.delta === true;
  const stale = isApiError(begin.error) && begin.error.code === 'plan_stale';
  return (
    <>
      <Equivalent
        cli={commandOf(draft, 'run', planHash)}
        api={{ method: 'POST', path: '/api/v1/restores', body }}
      />
      <Button
        variant="primary"
        size="lg"
        icon={History}
        busy={begin.isPending}
        onClick={() => (over ? setAsking(true) : begin.mutate())}
      >
        {text.begin}
      </Button>
      {begin.error !== null && (
        <div className="w-full space-y-2">
          <ActOutcome error={begin.error} />
          {stale && <Button onClick={onAgain}>{text.again}</Button>}
        </div>
      )}
      <AlertDialog
        open={asking}
        onOpenChange={setAsking}
        title={text.overwrite.title}
        action={text.overwrite.action}
        typed={draft.dir ?? ''}
        busy={begin.isPending}
        onConfirm={() => begin.mutate(undefined, { onSettled: () => setAsking(false) })}
      >
        <p>{text.overwrite.about(draft.dir ?? '')}</p>
      </AlertDialog>
    </>
  );
}

/** To the address of what was begun, also when it waits for others. */
function useBegin(body: Parameters<typeof startRestore>[0]) {
  const navigate = useNavigate();
  const queries = useQueryClient();
  const goTo = async (restore: string) => {
    await queries.invalidateQueries({ queryKey: ['restores'] });
    await navigate({ to: '/restores/$restore', params: { restore } });
  };
  return useMutation({
    mutationFn: () => startRestore(body),
    onSuccess: ({ job }) => goTo(restoreOfJob(job)),
    onError: async (error) => {
      const approval = approvalOf(error);
      if (approval === undefined) return;
      const { subject } = await queries.fetchQuery(approvals.detail(approval));
      const [plural, restore] = subject.split('/');
      if (plural === 'restores' && restore !== undefined) await goTo(restore);
    },
  });
}
