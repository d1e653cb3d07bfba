/** Secrets by name. What they hold goes in, and never out. */
import { LockKeyhole, Plus, Trash2 } from 'lucide-react';
import { useState } from 'react';
import { ActDialog } from '../../acts/ActDialog';
import { ConfirmAct } from '../../acts/ConfirmAct';
import { useAct } from '../../acts/useAct';
import { useWholeList } from '../../api/pages';
import { deleteSecret, secrets, setSecret, type Secret } from '../../api/queries/secrets';
import { Button, IconButton } from '../../ui/Button';
import { TextArea, TextField } from '../../ui/Field';
import { SmallTable } from '../../ui/SmallTable';
import { EmptyState } from '../../ui/States';
import { Time } from '../../ui/Values';
import { words } from '../../words';
import { Block } from './Block';

const text = words.administration.secrets;

export function Secrets() {
  const list = useWholeList(secrets.list());
  const [setting, setSetting] = useState(false);
  const [deleting, setDeleting] = useState<Secret>();
  const remove = useAct({
    run: (name: string) => deleteSecret(name),
    stale: ['secrets'],
    said: (_, name) => text.deleted(name),
    onDone: () => setDeleting(undefined),
  });
  return (
    <Block
      title={text.list}
      about={text.about}
      error={list.items.length === 0 ? list.error : null}
      retry={list.retry}
      actions={
        <Button variant="primary" size="sm" icon={Plus} onClick={() => setSetting(true)}>
          {text.set}
        </Button>
      }
    >
      <SmallTable<Secret>
        label={text.list}
        pending={list.pending}
        rows={list.items}
        rowId={({ name }) => name}
        empty={
          <EmptyState icon={LockKeyhole} title={text.empty.title}>
            <p>{text.empty.about}</p>
          </EmptyState>
        }
        columns={[
          {
            name: text.columns.name,
            cell: ({ name }) => <span className="font-medium">{name}</span>,
          },
          {
            name: text.columns.created,
            from: 'md',
            cell: ({ createdAt }) => <Time at={createdAt} />,
          },
          { name: text.columns.changed, cell: ({ updatedAt }) => <Time at={updatedAt} /> },
          {
            name: words.administration.act,
            nameHidden: true,
            align: 'end',
            className: 'py-1',
            cell: (secret) => (
              <IconButton
                icon={Trash2}
                label={`${words.administration.delete} ${secret.name}`}
                onClick={() => setDeleting(secret)}
              />
            ),
          },
        ]}
      />
      {setting && <SetSecret onClose={() => setSetting(false)} />}
      {deleting !== undefined && (
        <ConfirmAct
          open
          onOpenChange={(open) => !open && setDeleting(undefined)}
          title={text.deleteTitle(deleting.name)}
          action={words.administration.delete}
          typed={deleting.name}
          act={remove}
          onConfirm={() => remove.mutate(deleting.name)}
          equivalent={{
            cli: `holdfast secret delete ${deleting.name}`,
            api: { method: 'DELETE', path: `/api/v1/secrets/${deleting.name}` },
          }}
        >
          <p>{text.deleteAbout}</p>
        </ConfirmAct>
      )}
    </Block>
  );
}

function SetSecret({ onClose }: { onClose: () => void }) {
  const [name, setName] = useState('');
  const [value, setValue] = useState('');
  const act = useAct({
    run: () => setSecret(name, value),
    stale: ['secrets'],
    said: () => text.saved(name),
    onDone: onClose,
  });
  return (
    <ActDialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={text.set}
      about={text.about}
      action={text.save}
      act={act}
      disabled={name === '' || value === ''}
      onSubmit={() => act.mutate()}
      equivalent={{
        cli: `holdfast secret set ${name === '' ? 'NAME' : name} --from-file -`,
        api: {
          method: 'PUT',
          path: `/api/v1/secrets/${name === '' ? '…' : name}`,
          body: { value: '…' },
        },
      }}
    >
      <TextField
        autoFocus
        label={text.name}
        help={text.nameHelp}
        value={name}
        autoComplete="off"
        spellCheck={false}
        onChange={({ target }) => setName(target.value)}
      />
      <TextArea
        label={text.value}
        value={value}
        mono
        autoComplete="off"
        spellCheck={false}
        onChange={({ target }) => setValue(target.value)}
      />
    </ActDialog>
  );
}
