/** Keeps a backup from expiry, and lets it go again. */
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Lock, LockOpen } from 'lucide-react';
import { useState } from 'react';
import { holdBackup, releaseBackup, type Backup } from '../../api/queries/backups';
import { AlertDialog, Dialog } from '../../ui/Dialog';
import { Button } from '../../ui/Button';
import { Equivalent, shellWord } from '../../ui/Equivalent';
import { TextField } from '../../ui/Field';
import { MomentField } from '../../ui/Moment';
import { toast } from '../../ui/Toast';
import { words } from '../../words';
import { ActOutcome } from '../work/Asked';

const text = words.catalog.hold;

export function HoldBackup({ backup }: { backup: Backup }) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button icon={Lock} onClick={() => setOpen(true)}>
        {backup.hold == null ? text.action : text.again}
      </Button>
      {open && <HoldDialog backup={backup} onClose={() => setOpen(false)} />}
    </>
  );
}

function HoldDialog({ backup, onClose }: { backup: Backup; onClose: () => void }) {
  const [reason, setReason] = useState(backup.hold?.reason ?? '');
  const [until, setUntil] = useState<Date>();
  const [tried, setTried] = useState(false);
  const queries = useQueryClient();
  const at = until?.toISOString();
  const body = { reason: reason.trim(), ...(at !== undefined && { until: at }) };
  const hold = useMutation({
    mutationFn: () => holdBackup(backup.id, body),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: ['backups'] });
      toast({ tone: 'ok', title: text.done });
      onClose();
    },
  });
  return (
    <Dialog
      open
      onOpenChange={(next) => !next && onClose()}
      title={text.title}
      about={text.about}
      width="sm"
      footer={
        <>
          <Button onClick={onClose}>{words.common.cancel}</Button>
          <Button
            variant="primary"
            busy={hold.isPending}
            onClick={() => {
              setTried(true);
              if (body.reason !== '') hold.mutate();
            }}
          >
            {text.action}
          </Button>
        </>
      }
    >
      <div className="space-y-4">
        <TextField
          label={text.reason}
          value={reason}
          error={tried && body.reason === '' ? text.reasonNeeded : undefined}
          onChange={(event) => setReason(event.target.value)}
        />
        <MomentField label={text.until} help={text.untilHelp} value={until} onChoose={setUntil} />
        {hold.error !== null && <ActOutcome error={hold.error} />}
        <Equivalent
          cli={`holdfast backup hold ${backup.id} --reason ${shellWord(body.reason)}${at === undefined ? '' : ` --until ${at}`}`}
          api={{ method: 'PUT', path: `/api/v1/backups/${backup.id}/hold`, body }}
        />
      </div>
    </Dialog>
  );
}

export function ReleaseBackup({ backup }: { backup: Backup }) {
  const [open, setOpen] = useState(false);
  const [reason, setReason] = useState('');
  const queries = useQueryClient();
  const release = useMutation({
    mutationFn: () => releaseBackup(backup.id, reason.trim()),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: ['backups'] });
      setOpen(false);
      toast({ tone: 'ok', title: words.catalog.release.done });
    },
  });
  return (
    <>
      <Button size="sm" icon={LockOpen} onClick={() => setOpen(true)}>
        {words.catalog.release.action}
      </Button>
      <AlertDialog
        open={open}
        onOpenChange={setOpen}
        title={words.catalog.release.title}
        action={words.catalog.release.action}
        busy={release.isPending}
        onConfirm={() => release.mutate()}
      >
        <p>{words.catalog.release.about}</p>
        <TextField
          label={words.work.reason}
          help={words.work.reasonHelp}
          value={reason}
          onChange={(event) => setReason(event.target.value)}
        />
        {release.error !== null && <ActOutcome error={release.error} />}
        <Equivalent
          cli={`holdfast backup release ${backup.id}${because(reason)}`}
          api={{ method: 'DELETE', path: `/api/v1/backups/${backup.id}/hold` }}
        />
      </AlertDialog>
    </>
  );
}

export function because(reason: string): string {
  return reason.trim() === '' ? '' : ` --because ${shellWord(reason.trim())}`;
}
