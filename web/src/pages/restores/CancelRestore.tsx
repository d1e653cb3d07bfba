import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Ban } from 'lucide-react';
import { useState } from 'react';
import { cancelRestore, type Restore } from '../../api/queries/restores';
import { AlertDialog } from '../../ui/Dialog';
import { Button } from '../../ui/Button';
import { Equivalent } from '../../ui/Equivalent';
import { toast } from '../../ui/Toast';
import { words } from '../../words';
import { ActOutcome } from '../work/Asked';

const text = words.restores.detail.cancel;

export function CancelRestore({ restore }: { restore: Restore }) {
  const [open, setOpen] = useState(false);
  const queries = useQueryClient();
  const cancel = useMutation({
    mutationFn: () => cancelRestore(restore.id),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: ['restores'] });
      setOpen(false);
      toast({ tone: 'info', title: text.done });
    },
  });
  return (
    <>
      <Button icon={Ban} onClick={() => setOpen(true)}>
        {text.action}
      </Button>
      <AlertDialog
        open={open}
        onOpenChange={setOpen}
        title={text.title}
        action={text.action}
        busy={cancel.isPending}
        onConfirm={() => cancel.mutate()}
      >
        <p>{text.about}</p>
        {cancel.error !== null && <ActOutcome error={cancel.error} />}
        <Equivalent
          cli={`holdfast restore cancel ${restore.id}`}
          api={{ method: 'POST', path: `/api/v1/restores/${restore.id}/cancel` }}
        />
      </AlertDialog>
    </>
  );
}
