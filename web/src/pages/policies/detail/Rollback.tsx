/** Going back to what a policy said: the dry run of it first, then the act. */
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useState } from 'react';
import { ActDialog } from '../../../acts/ActDialog';
import { useAct } from '../../../acts/useAct';
import { revisionOf } from '../../../api/client';
import { policies, rollbackPolicy, type Policy } from '../../../api/queries/policies';
import { TextField } from '../../../ui/Field';
import { ErrorState, Skeleton } from '../../../ui/States';
import { words } from '../../../words';
import { PreviewContent } from '../editor/PreviewPanel';

const text = words.policies.versions;
const route = getRouteApi('/frame/policies/$policy');

export function Rollback({
  open,
  onOpenChange,
  name,
  to,
  document,
  policy,
}: {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  name: string;
  to: number;
  document: unknown;
  policy: Policy | undefined;
}) {
  const navigate = route.useNavigate();
  const [reason, setReason] = useState('');
  const dry = useQuery(policies.preview(document, open));
  const act = useAct({
    run: () =>
      rollbackPolicy(name, to, policy === undefined ? undefined : revisionOf(policy), { reason }),
    stale: ['policies', 'clusters', 'exposure', 'approvals'],
    said: () => text.rolledBack(name, to),
    onDone: () => void navigate({ search: { tab: 'versions' } }),
  });
  return (
    <ActDialog
      open={open}
      onOpenChange={onOpenChange}
      title={text.rollbackTitle(to)}
      about={text.rollbackAbout}
      width="lg"
      action={text.rollback}
      act={act}
      disabled={dry.data === undefined || dry.isFetching}
      onSubmit={() => act.mutate()}
      equivalent={{
        cli: `holdfast policy rollback ${name} ${to} --dry-run\nholdfast policy rollback ${name} ${to}`,
        api: {
          method: 'POST',
          path: `/api/v1/policies/${name}/rollback`,
          body: { revision: to },
        },
      }}
    >
      {dry.error !== null && <ErrorState compact error={dry.error} />}
      {dry.data === undefined ? (
        dry.error === null && <Skeleton className="h-24 w-full" />
      ) : (
        <div data-autofocus tabIndex={-1} className="space-y-5 outline-none">
          <PreviewContent preview={dry.data} runs={false} />
          {dry.data.consent !== null && dry.data.consent !== undefined && (
            <TextField
              label={words.acts.reason}
              help={words.acts.reasonHelp}
              value={reason}
              onChange={({ target }) => setReason(target.value)}
            />
          )}
        </div>
      )}
    </ActDialog>
  );
}
