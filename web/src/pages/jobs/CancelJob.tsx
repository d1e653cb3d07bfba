/** Asks for the end of a job; what is undone by that is said first. */
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Ban } from 'lucide-react';
import { useState } from 'react';
import { cancelJob, type Job } from '../../api/queries/jobs';
import { AlertDialog } from '../../ui/Dialog';
import { Button } from '../../ui/Button';
import { Equivalent } from '../../ui/Equivalent';
import { toast } from '../../ui/Toast';
import { words } from '../../words';
import { ActOutcome } from '../work/Asked';

const text = words.jobs.cancel;

export function CancelJob({
  job,
  size = 'md',
}: {
  job: Pick<Job, 'id' | 'kind' | 'cluster'>;
  size?: 'sm' | 'md';
}) {
  const [open, setOpen] = useState(false);
  const queries = useQueryClient();
  const cancel = useMutation({
    mutationFn: () => cancelJob(job.id),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: ['jobs'] });
      setOpen(false);
      toast({ tone: 'info', title: text.done });
    },
  });
  const what = words.jobs.jobOf(words.work.jobKinds[job.kind], job.cluster);
  return (
    <>
      <Button
        size={size}
        variant={size === 'sm' ? 'ghost' : 'secondary'}
        icon={Ban}
        aria-label={text.title(what).slice(0, -1)}
        onClick={() => setOpen(true)}
      >
        {size === 'sm' ? text.short : text.action}
      </Button>
      <AlertDialog
        open={open}
        onOpenChange={setOpen}
        title={text.title(what)}
        action={text.action}
        busy={cancel.isPending}
        onConfirm={() => cancel.mutate()}
      >
        <p>{job.kind === 'restore' ? text.restoring : text.about}</p>
        {cancel.error !== null && <ActOutcome error={cancel.error} />}
        <Equivalent
          cli={`holdfast job cancel ${job.id}`}
          api={{ method: 'POST', path: `/api/v1/jobs/${job.id}/cancel` }}
        />
      </AlertDialog>
    </>
  );
}
