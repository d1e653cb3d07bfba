/** Takes a backup now, of which kind and from which server. */
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Archive } from 'lucide-react';
import { useState } from 'react';
import { startBackup } from '../../api/queries/clusters';
import type { Schemas } from '../../api/client';
import { Button } from '../../ui/Button';
import { Dialog } from '../../ui/Dialog';
import { Equivalent, shellWord } from '../../ui/Equivalent';
import { Select } from '../../ui/Field';
import { ErrorState } from '../../ui/States';
import { toast } from '../../ui/Toast';
import { words } from '../../words';

const text = words.cluster.backUp;
type Kind = Schemas['BackupKind'];
type Source = Schemas['BackupSource'];

const options = <T extends string>(said: Record<T, string>) =>
  (Object.entries(said) as [T, string][]).map(([value, each]) => ({ value, text: each }));

export function BackUpNow({ cluster }: { cluster: string }) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button icon={Archive} onClick={() => setOpen(true)}>
        {text.action}
      </Button>
      {open && <BackUpDialog cluster={cluster} onClose={() => setOpen(false)} />}
    </>
  );
}

function BackUpDialog({ cluster, onClose }: { cluster: string; onClose: () => void }) {
  const queries = useQueryClient();
  const [kind, setKind] = useState<Kind>('full');
  const [from, setFrom] = useState<Source>('primary');
  const body = { kind, ...(from !== 'primary' && { from }) };
  const start = useMutation({
    mutationFn: () => startBackup(cluster, body),
    onSuccess: ({ job }) => {
      void queries.invalidateQueries({ queryKey: ['jobs'] });
      toast({
        tone: 'ok',
        title: text.done,
        more: (
          <Link to="/jobs/$job" params={{ job }} className="underline underline-offset-2">
            {text.see}
          </Link>
        ),
      });
      onClose();
    },
  });
  const flags = `--kind ${kind}${from === 'primary' ? '' : ` --from ${from}`}`;
  return (
    <Dialog
      open
      onOpenChange={(next) => next || onClose()}
      title={text.title(cluster)}
      about={text.about}
      width="sm"
      footer={
        <>
          <span className="mr-auto">
            <Equivalent
              cli={`holdfast backup run ${shellWord(cluster)} ${flags}`}
              api={{ method: 'POST', path: `/api/v1/clusters/${cluster}/backups`, body }}
            />
          </span>
          <Button onClick={onClose}>{words.common.cancel}</Button>
          <Button variant="primary" busy={start.isPending} onClick={() => start.mutate()}>
            {text.submit}
          </Button>
        </>
      }
    >
      <div className="space-y-4">
        {start.error !== null && <ErrorState compact error={start.error} />}
        <Select
          label={text.kind}
          value={kind}
          options={options(text.kinds)}
          onValueChange={setKind}
        />
        <Select
          label={text.from}
          value={from}
          options={options(text.sources)}
          onValueChange={setFrom}
        />
      </div>
    </Dialog>
  );
}
