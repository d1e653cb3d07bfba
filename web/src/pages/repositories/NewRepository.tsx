/** Declaring a repository. */
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { ActDialog } from '../../acts/ActDialog';
import { useAct } from '../../acts/useAct';
import { useWholeList } from '../../api/pages';
import { saveRepository } from '../../api/queries/repositories';
import { secrets } from '../../api/queries/secrets';
import { isApiError } from '../../api/problem';
import { Combobox } from '../../ui/Combobox';
import { TextField } from '../../ui/Field';
import { words } from '../../words';

const text = words.repositories.form;
const EMPTY = { name: '', url: '', region: '', endpoint: '', credentials: '', key: '' };

function documentOf({ name, url, region, endpoint, credentials, key }: typeof EMPTY) {
  return {
    apiVersion: 'holdfast/v1',
    kind: 'Repository' as const,
    metadata: { name },
    spec: {
      url,
      ...(region !== '' && { region }),
      ...(endpoint !== '' && { endpoint }),
      ...(credentials !== '' && { credentials: { secret: credentials } }),
      ...(key !== '' && { key: { secret: key } }),
    },
  };
}

export function NewRepository({
  open,
  onOpenChange,
}: {
  open: boolean;
  onOpenChange: (open: boolean) => void;
}) {
  const [form, setForm] = useState(EMPTY);
  const navigate = useNavigate();
  const known = useWholeList(secrets.list()).items.map(({ name }) => ({ value: name, text: name }));
  const document = documentOf(form);
  const act = useAct({
    run: () => saveRepository(document, undefined),
    stale: ['repositories'],
    said: () => text.created(form.name),
    onDone: () => {
      onOpenChange(false);
      setForm(EMPTY);
      void navigate({ to: '/repositories/$repository', params: { repository: form.name } });
    },
  });
  const refused = isApiError(act.error) ? act.error : undefined;
  const faultOf = (field: string) => (refused?.field === field ? refused.message : undefined);
  const put = (field: keyof typeof EMPTY, value: string) => setForm({ ...form, [field]: value });
  return (
    <ActDialog
      open={open}
      onOpenChange={onOpenChange}
      title={text.title}
      about={text.about}
      action={text.create}
      act={act}
      disabled={form.name === '' || form.url === ''}
      onSubmit={() => act.mutate()}
      equivalent={{
        cli: 'holdfast apply -f repository.yaml',
        api: {
          method: 'PUT',
          path: `/api/v1/repositories/${form.name === '' ? '…' : form.name}`,
          body: document,
        },
      }}
    >
      <div className="grid gap-4 sm:grid-cols-2">
        <TextField
          autoFocus
          label={text.name}
          help={text.nameHelp}
          error={faultOf('metadata.name')}
          value={form.name}
          spellCheck={false}
          onChange={({ target }) => put('name', target.value)}
        />
        <TextField
          label={text.region}
          help={text.regionHelp}
          error={faultOf('spec.region')}
          value={form.region}
          spellCheck={false}
          onChange={({ target }) => put('region', target.value)}
        />
        <TextField
          className="sm:col-span-2"
          label={text.url}
          help={text.urlHelp}
          error={faultOf('spec.url')}
          value={form.url}
          mono
          spellCheck={false}
          onChange={({ target }) => put('url', target.value)}
        />
        <TextField
          className="sm:col-span-2"
          label={text.endpoint}
          help={text.endpointHelp}
          error={faultOf('spec.endpoint')}
          value={form.endpoint}
          mono
          spellCheck={false}
          onChange={({ target }) => put('endpoint', target.value)}
        />
        <Combobox
          label={text.credentials}
          help={text.credentialsHelp}
          value={form.credentials === '' ? undefined : form.credentials}
          options={known}
          placeholder={text.noSecret}
          onChange={(value) => put('credentials', value ?? '')}
        />
        <Combobox
          label={text.key}
          help={text.keyHelp}
          value={form.key === '' ? undefined : form.key}
          options={known}
          placeholder={text.noSecret}
          onChange={(value) => put('key', value ?? '')}
        />
      </div>
    </ActDialog>
  );
}
