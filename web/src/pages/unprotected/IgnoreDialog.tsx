/** Says that a server needs no protection, and why. */
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { ignoreServer } from '../../api/queries/unprotected';
import { Button } from '../../ui/Button';
import { Dialog } from '../../ui/Dialog';
import { Equivalent, shellWord } from '../../ui/Equivalent';
import { TextField } from '../../ui/Field';
import { ErrorState } from '../../ui/States';
import { toast } from '../../ui/Toast';
import { words } from '../../words';
import type { Found } from './servers';

const text = words.unprotected;

export function IgnoreDialog({ found, onClose }: { found: Found; onClose: () => void }) {
  const queries = useQueryClient();
  const [reason, setReason] = useState('');
  const [tried, setTried] = useState(false);
  const directory = found.row.instance?.dataDirectory ?? '';
  const agents = found.by.map(({ agent }) => agent);
  const ignore = useMutation({
    // The API is told by agent: one that is left out would still count it.
    mutationFn: () =>
      Promise.all(agents.map((agent) => ignoreServer(agent, directory, reason.trim()))),
    onSuccess: () => {
      void queries.invalidateQueries({ queryKey: ['unprotected'] });
      void queries.invalidateQueries({ queryKey: ['status'] });
      toast({ tone: 'ok', title: text.ignoreDone });
      onClose();
    },
  });
  const submit = () => {
    setTried(true);
    if (reason.trim() !== '') ignore.mutate();
  };
  const body = { agent: found.row.agent, dataDirectory: directory, reason };
  const command = (agent: string) =>
    `holdfast unprotected ignore ${shellWord(agent)} ${shellWord(directory)} --reason ${shellWord(reason || 'TEXT')}`;
  return (
    <Dialog
      open
      onOpenChange={(next) => next || onClose()}
      title={text.ignoreTitle}
      about={text.ignoreAbout}
      width="sm"
      footer={
        <>
          <span className="mr-auto">
            <Equivalent
              cli={agents.map(command).join('\n')}
              api={{ method: 'POST', path: '/api/v1/unprotected/ignore', body }}
            />
          </span>
          <Button onClick={onClose}>{words.common.cancel}</Button>
          <Button variant="primary" busy={ignore.isPending} onClick={submit}>
            {text.ignoreAction}
          </Button>
        </>
      }
    >
      <div className="space-y-4">
        {ignore.error !== null && <ErrorState compact error={ignore.error} />}
        <p className="text-sm text-ink-2">
          <code className="block text-xs break-all">{directory}</code>
          {text.foundBy(agents.join(', '))}
        </p>
        <TextField
          label={text.reason}
          value={reason}
          error={tried && reason.trim() === '' ? text.needReason : undefined}
          onChange={(event) => setReason(event.target.value)}
          onKeyDown={(event) => event.key === 'Enter' && submit()}
        />
      </div>
    </Dialog>
  );
}
