/** Asks to excuse a cluster; what then happens is another person's to say. */
import { zodResolver } from '@hookform/resolvers/zod';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Controller, useForm, useWatch } from 'react-hook-form';
import { z } from 'zod';
import { useWholeList } from '../../api/pages';
import { isApiError } from '../../api/problem';
import { clusters } from '../../api/queries/clusters';
import { requestExemption } from '../../api/queries/compliance';
import { formatLocal, parseMoment } from '../../format/time';
import { serverNow } from '../../live/freshness';
import { Button } from '../../ui/Button';
import { Combobox } from '../../ui/Combobox';
import { Dialog } from '../../ui/Dialog';
import { Equivalent, shellWord } from '../../ui/Equivalent';
import { TextArea } from '../../ui/Field';
import { MomentField } from '../../ui/Moment';
import { ErrorState } from '../../ui/States';
import { toast } from '../../ui/Toast';
import { words } from '../../words';

const text = words.compliance.request;
const YEAR = 366 * 86_400_000;

const form = z.object({
  cluster: z.string().min(1, text.needCluster),
  until: z.string().refine((value) => {
    const left = new Date(value).getTime() - serverNow();
    return left > 0 && left < YEAR;
  }, text.needUntil),
  reason: z.string().trim().min(1, text.needReason),
});
type Form = z.infer<typeof form>;

/** Tomorrow at this time, to the minute. */
const tomorrow = () => formatLocal(new Date(serverNow() + 86_400_000)).slice(0, 16);

export function RequestExemption({
  cluster,
  onClose,
}: {
  cluster: string | undefined;
  onClose: () => void;
}) {
  const known = useWholeList(clusters.list());
  const { control, register, handleSubmit, formState } = useForm<Form>({
    resolver: zodResolver(form),
    defaultValues: { cluster: cluster ?? '', until: tomorrow(), reason: '' },
  });
  const typed = useWatch({ control }) as Form;
  const ask = useAsk(onClose);
  const { errors } = formState;
  const until = Number.isNaN(new Date(typed.until).getTime())
    ? typed.until
    : new Date(typed.until).toISOString();
  return (
    <Dialog
      open
      onOpenChange={(next) => next || onClose()}
      title={text.title}
      about={text.about}
      footer={
        <>
          <span className="mr-auto">
            <Equivalent
              cli={`holdfast exemption request ${shellWord(typed.cluster || 'CLUSTER')} --until ${until} --reason ${shellWord(typed.reason || 'TEXT')}`}
              api={{
                method: 'POST',
                path: `/api/v1/clusters/${typed.cluster || 'CLUSTER'}/exemptions`,
                body: { until, reason: typed.reason },
              }}
            />
          </span>
          <Button onClick={onClose}>{words.common.cancel}</Button>
          <Button
            variant="primary"
            busy={ask.isPending}
            onClick={() => void handleSubmit((values) => ask.mutate(values))()}
          >
            {text.submit}
          </Button>
        </>
      }
    >
      <form
        className="space-y-4"
        onSubmit={(event) => void handleSubmit((values) => ask.mutate(values))(event)}
      >
        {ask.error !== null && <ErrorState compact error={ask.error} />}
        <Controller
          control={control}
          name="cluster"
          render={({ field }) => (
            <Combobox
              label={text.cluster}
              value={field.value === '' ? undefined : field.value}
              error={errors.cluster?.message}
              options={known.items.map(({ metadata: { name } }) => ({ value: name, text: name }))}
              onChange={(value) => field.onChange(value ?? '')}
            />
          )}
        />
        <Controller
          control={control}
          name="until"
          render={({ field }) => (
            <MomentField
              label={text.until}
              help={text.untilHelp}
              error={errors.until?.message}
              value={parseMoment(field.value)}
              onChoose={(chosen) => field.onChange(chosen === undefined ? '' : formatLocal(chosen))}
            />
          )}
        />
        <TextArea
          label={text.reason}
          help={text.reasonHelp}
          rows={3}
          error={errors.reason?.message}
          {...register('reason')}
        />
      </form>
    </Dialog>
  );
}

/** Consent that is asked for is no failure. */
function useAsk(onDone: () => void) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async ({ cluster, until, reason }: Form) => {
      try {
        await requestExemption(cluster, { until: new Date(until).toISOString(), reason });
        return undefined;
      } catch (error) {
        if (isApiError(error) && error.approval !== undefined) return error.approval;
        throw error;
      }
    },
    onSuccess: (approval) => {
      void queries.invalidateQueries({ queryKey: ['exemptions'] });
      void queries.invalidateQueries({ queryKey: ['approvals'] });
      toast({
        tone: approval === undefined ? 'ok' : 'info',
        title: approval === undefined ? text.granted : text.waits,
        more: approval !== undefined && (
          <Link to={`/approvals/${approval}` as string} className="underline underline-offset-2">
            {text.see}
          </Link>
        ),
      });
      onDone();
    },
  });
}
