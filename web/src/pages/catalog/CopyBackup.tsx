/** Copies a backup to another repository. */
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { CopyPlus } from 'lucide-react';
import { useState } from 'react';
import { useWholeList } from '../../api/pages';
import { copyBackup, type Backup } from '../../api/queries/backups';
import { places } from '../../api/queries/places';
import { Button } from '../../ui/Button';
import { Combobox } from '../../ui/Combobox';
import { Dialog } from '../../ui/Dialog';
import { Equivalent, shellWord } from '../../ui/Equivalent';
import { toast } from '../../ui/Toast';
import { words } from '../../words';
import { ActOutcome } from '../work/Asked';
import { JobLink } from '../work/links';

const text = words.catalog.copy;

export function CopyBackup({ backup }: { backup: Backup }) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button icon={CopyPlus} onClick={() => setOpen(true)}>
        {text.action}
      </Button>
      {open && <CopyDialog backup={backup} onClose={() => setOpen(false)} />}
    </>
  );
}

function CopyDialog({ backup, onClose }: { backup: Backup; onClose: () => void }) {
  const [to, setTo] = useState<string>();
  const known = useWholeList(places.repositories());
  const others = known.items
    .map(({ metadata: { name } }) => name)
    .filter((name) => !backup.repositories.includes(name));
  const queries = useQueryClient();
  const copy = useMutation({
    mutationFn: () => copyBackup(backup.id, to),
    onSuccess: async ({ job }) => {
      await queries.invalidateQueries({ queryKey: ['jobs'] });
      toast({ tone: 'ok', title: text.done, more: <JobLink id={job} /> });
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
          <Button variant="primary" busy={copy.isPending} onClick={() => copy.mutate()}>
            {text.action}
          </Button>
        </>
      }
    >
      <div className="space-y-4">
        <Combobox
          label={text.to}
          help={text.toHelp}
          value={to}
          options={others.map((name) => ({ value: name, text: name }))}
          onChange={setTo}
        />
        {copy.error !== null && <ActOutcome error={copy.error} />}
        <Equivalent
          cli={`holdfast backup copy ${backup.id}${to === undefined ? '' : ` --to ${shellWord(to)}`}`}
          api={{
            method: 'POST',
            path: `/api/v1/backups/${backup.id}/copies`,
            body: to === undefined ? {} : { repository: to },
          }}
        />
      </div>
    </Dialog>
  );
}
