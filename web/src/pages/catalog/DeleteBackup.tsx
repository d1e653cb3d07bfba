/**
 * Deletes a backup. What becomes unrestorable is read and shown first; while that is not
 * known, or it would be refused, nothing is offered. The cluster's name is typed.
 */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Trash2 } from 'lucide-react';
import { useState } from 'react';
import {
  backups,
  deleteBackup,
  type Backup,
  type BackupDependents,
} from '../../api/queries/backups';
import { AlertDialog, Dialog } from '../../ui/Dialog';
import { Button } from '../../ui/Button';
import { Equivalent } from '../../ui/Equivalent';
import { TextField } from '../../ui/Field';
import { ErrorState, Skeleton } from '../../ui/States';
import { toast } from '../../ui/Toast';
import { words } from '../../words';
import { ActOutcome } from '../work/Asked';
import { FailureNote } from '../work/FailureNote';
import { Consequences } from './Consequences';
import { because } from './HoldBackup';

const text = words.catalog.remove;

export function DeleteBackup({ backup }: { backup: Backup }) {
  const [open, setOpen] = useState(false);
  const known = useQuery({ ...backups.dependents(backup.id), enabled: open });
  const safe = known.data !== undefined && known.data.refused === null;
  return (
    <>
      <Button icon={Trash2} onClick={() => setOpen(true)}>
        {text.action}
      </Button>
      {safe ? (
        <Confirm backup={backup} known={known.data} open={open} onOpenChange={setOpen} />
      ) : (
        <Dialog
          open={open}
          onOpenChange={setOpen}
          title={text.title}
          width="sm"
          footer={<Button onClick={() => setOpen(false)}>{words.common.close}</Button>}
        >
          {known.data?.refused != null ? (
            <div className="space-y-2">
              <p className="font-medium">{text.refused}</p>
              <FailureNote tone="warn" failure={known.data.refused} />
            </div>
          ) : known.error !== null ? (
            <div className="space-y-2">
              <p>{text.unknown}</p>
              <ErrorState compact error={known.error} />
            </div>
          ) : (
            <div aria-busy className="space-y-2">
              <Skeleton />
              <Skeleton className="w-2/3" />
            </div>
          )}
        </Dialog>
      )}
    </>
  );
}

function Confirm({
  backup,
  known,
  open,
  onOpenChange,
}: {
  backup: Backup;
  known: BackupDependents;
  open: boolean;
  onOpenChange: (open: boolean) => void;
}) {
  const [reason, setReason] = useState('');
  const queries = useQueryClient();
  const remove = useMutation({
    mutationFn: () => deleteBackup(backup.id, reason.trim()),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: ['backups'] });
      onOpenChange(false);
      toast({ tone: 'info', title: text.done });
    },
  });
  return (
    <AlertDialog
      open={open}
      onOpenChange={onOpenChange}
      title={text.title}
      action={text.action}
      typed={backup.cluster}
      busy={remove.isPending}
      onConfirm={() => remove.mutate()}
    >
      <Consequences known={known} />
      <p>{text.grace}</p>
      <TextField
        label={words.work.reason}
        help={words.work.reasonHelp}
        value={reason}
        onChange={(event) => setReason(event.target.value)}
      />
      {remove.error !== null && <ActOutcome error={remove.error} />}
      <Equivalent
        cli={`holdfast backup delete ${backup.id}${because(reason)}`}
        api={{ method: 'DELETE', path: `/api/v1/backups/${backup.id}` }}
      />
    </AlertDialog>
  );
}
