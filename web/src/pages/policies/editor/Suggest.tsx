/** What one needs in five fields, and the policy that the control plane suggests for it. */
import { zodResolver } from '@hookform/resolvers/zod';
import { useMutation } from '@tanstack/react-query';
import { CircleCheck, CircleMinus, Sparkles } from 'lucide-react';
import { useForm } from 'react-hook-form';
import { z } from 'zod';
import { useWholeList } from '../../../api/pages';
import { suggestPolicy, type PolicySuggestion } from '../../../api/queries/policies';
import { repositories } from '../../../api/queries/repositories';
import { Badge, StatusPill } from '../../../ui/Badge';
import { Button } from '../../../ui/Button';
import { Card, CardBody, CardHeader } from '../../../ui/Card';
import { Equivalent, shellWord } from '../../../ui/Equivalent';
import { Select, TextField } from '../../../ui/Field';
import { ErrorState } from '../../../ui/States';
import { words } from '../../../words';
import { YamlView } from '../../../yaml/YamlView';
import { Contract } from '../Contract';
import { policyText } from './draft';

const text = words.policies.suggest;
const form = words.policies.form;

const DURATION = /^\d+(ms|s|m|h|d|w)$/;
const needs = z.object({
  name: z.string().regex(/^[a-z0-9-]{1,63}$/, form.nameHelp),
  label: z.string().regex(/^$|^[^=\s]+=[^=\s]*$/, words.clusters.filters.labelHelp),
  rpo: z.string().regex(DURATION, form.duration),
  rto: z.string().regex(DURATION, form.duration),
  window: z.string().regex(/^$|^\d+(ms|s|m|h|d|w)$/, form.duration),
  size: z.string().regex(/^\d+(B|KiB|MiB|GiB|TiB)$/, text.sizeHelp),
  repository: z.string(),
  copy: z.string(),
});
type Needs = z.infer<typeof needs>;

function paramsOf({ label, window, repository, copy, ...rest }: Needs) {
  const [key, value] = label.split('=');
  return {
    ...rest,
    ...(key !== undefined && key !== '' && { selector: { [key]: value ?? '' } }),
    ...(window !== '' && { window }),
    ...(repository !== '' && { repository }),
    ...(copy !== '' && { copy }),
  };
}

function cliOf({ name, label, rpo, rto, window, size, repository, copy }: Needs): string {
  const given = [
    ['rpo', rpo],
    ['rto', rto],
    ['size', size],
    ['window', window],
    ['label', label],
    ['name', name],
    ['repository', repository],
    ['copy', copy],
  ] as const;
  const options = given
    .filter(([, value]) => value !== '')
    .map(([option, value]) => `--${option} ${shellWord(value)}`);
  return `holdfast policy suggest ${options.join(' ')}`;
}

export function Suggest({
  onOpen,
  onBlank,
}: {
  onOpen: (suggestion: PolicySuggestion) => void;
  onBlank: () => void;
}) {
  const places = useWholeList(repositories.list()).items.map(({ metadata: { name } }) => ({
    value: name,
    text: name,
  }));
  const asked = useMutation({ mutationFn: (wanted: Needs) => suggestPolicy(paramsOf(wanted)) });
  const { register, handleSubmit, formState, watch, setValue } = useForm<Needs>({
    resolver: zodResolver(needs),
    defaultValues: {
      name: '',
      label: '',
      rpo: '30s',
      rto: '30m',
      window: '14d',
      size: '',
      repository: '',
      copy: '',
    },
  });
  const { errors } = formState;
  const now = watch();
  return (
    <div className="grid items-start gap-5 lg:grid-cols-[minmax(20rem,26rem)_minmax(0,1fr)]">
      <Card>
        <form
          noValidate
          className="space-y-4 p-4"
          onSubmit={(event) => void handleSubmit((wanted) => asked.mutate(wanted))(event)}
        >
          <div className="grid gap-4 sm:grid-cols-2">
            <TextField
              label={form.rpo}
              help={form.durationHelp}
              error={errors.rpo?.message}
              {...register('rpo')}
            />
            <TextField
              label={form.rto}
              help={form.durationHelp}
              error={errors.rto?.message}
              {...register('rto')}
            />
            <TextField
              label={form.window}
              help={form.durationHelp}
              error={errors.window?.message}
              {...register('window')}
            />
            <TextField
              label={text.size}
              help={text.sizeHelp}
              error={errors.size?.message}
              {...register('size')}
            />
            <TextField
              label={form.name}
              error={errors.name?.message}
              placeholder={form.nameExample}
              {...register('name')}
            />
            <TextField
              label={form.selector}
              error={errors.label?.message}
              placeholder={form.labelExample}
              {...register('label')}
            />
            <Select
              label={form.repository}
              value={now.repository}
              options={[{ value: '', text: form.firstRepository }, ...places]}
              onValueChange={(value) => setValue('repository', value)}
            />
            <Select
              label={text.copy}
              value={now.copy}
              options={[{ value: '', text: text.nowhere }, ...places]}
              onValueChange={(value) => setValue('copy', value)}
            />
          </div>
          {asked.error !== null && <ErrorState compact error={asked.error} />}
          <div className="flex flex-wrap items-center gap-2">
            <Button type="submit" variant="primary" icon={Sparkles} busy={asked.isPending}>
              {text.submit}
            </Button>
            <Equivalent
              cli={cliOf(now)}
              api={{ method: 'POST', path: '/api/v1/policy-suggestions', body: paramsOf(now) }}
            />
          </div>
          <Button variant="ghost" size="sm" onClick={onBlank}>
            {text.blank}
          </Button>
        </form>
      </Card>
      {asked.data === undefined ? (
        <Means />
      ) : (
        <Suggestion suggestion={asked.data} onOpen={() => asked.data && onOpen(asked.data)} />
      )}
    </div>
  );
}

/** What there is to choose from, before anything was asked. */
function Means() {
  const { title, about, means } = text.waiting;
  return (
    <section className="rounded-lg border border-dashed border-line-strong p-5">
      <h2 className="text-lg font-semibold">{title}</h2>
      <p className="mb-4 max-w-prose text-ink-2">{about}</p>
      <ol className="space-y-3">
        {(['dump', 'baseBackup', 'archivedWal', 'streamedWal'] as const).map((each, index) => (
          <li key={each} className="flex gap-3">
            <span
              aria-hidden
              className="num flex size-7 shrink-0 items-center justify-center rounded-full bg-accent-soft font-semibold text-accent"
            >
              {index + 1}
            </span>
            <div>
              <p className="font-medium">{text.means[each]}</p>
              <p className="text-ink-2">{means[each]}</p>
            </div>
          </li>
        ))}
      </ol>
    </section>
  );
}

function Suggestion({ suggestion, onOpen }: { suggestion: PolicySuggestion; onOpen: () => void }) {
  const { document, contract, means, feasible, candidates, reasons, assumptions } = suggestion;
  return (
    <section aria-label={text.submit} className="min-w-0 space-y-4">
      <div className="flex flex-wrap items-center gap-3">
        <StatusPill tone={feasible ? 'ok' : 'bad'}>
          {feasible ? text.feasible : text.infeasible}
        </StatusPill>
        <span className="flex-1" />
        <Button variant="primary" onClick={onOpen}>
          {text.open}
        </Button>
      </div>
      <Contract title={words.policies.preview.contract} text={contract} />
      <div className="grid items-start gap-4 2xl:grid-cols-2">
        <Card>
          <CardHeader title={text.candidates} />
          <CardBody>
            <ul className="space-y-3">
              {candidates.map(({ means: each, suffices, because }) => (
                <li key={each} className="flex gap-2.5">
                  {suffices ? (
                    <CircleCheck aria-hidden className="mt-0.5 size-4 shrink-0 text-ok" />
                  ) : (
                    <CircleMinus aria-hidden className="mt-0.5 size-4 shrink-0 text-ink-3" />
                  )}
                  <div>
                    <p className="flex flex-wrap items-center gap-2">
                      <span className="font-medium">{text.means[each]}</span>
                      <span className="text-sm text-ink-2">
                        {suffices ? text.suffices : text.fallsShort}
                      </span>
                      {each === means && <Badge tone="ok">{text.chosen}</Badge>}
                    </p>
                    <p className="text-sm text-ink-2 first-letter:uppercase">{because}</p>
                  </div>
                </li>
              ))}
            </ul>
          </CardBody>
        </Card>
        <Card>
          <CardHeader title={text.reasons} />
          <CardBody className="space-y-4">
            <dl className="space-y-2">
              {reasons.map(({ field, because }) => (
                <div key={field}>
                  <dt>
                    <code className="text-xs text-accent">{field}</code>
                  </dt>
                  <dd className="text-sm text-ink-2 first-letter:uppercase">{because}</dd>
                </div>
              ))}
            </dl>
            <div>
              <h3 className="text-sm font-semibold">{text.assumptions}</h3>
              <ul className="list-disc pl-5 text-sm text-ink-2">
                {assumptions.map((assumption) => (
                  <li key={assumption}>{assumption}</li>
                ))}
              </ul>
            </div>
          </CardBody>
        </Card>
      </div>
      <YamlView text={policyText(document as never)} label={words.policies.edit.yamlLabel} />
    </section>
  );
}
